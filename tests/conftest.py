"""What holds for all tests."""

import asyncio
import functools
import inspect
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import settings

from tests.support.length import WHOLE

# A machine may be busy: an example that takes long is no failure.
settings.register_profile("jackstay", deadline=None, print_blob=True)
settings.register_profile("soak", settings.get_profile("jackstay"), max_examples=2000, stateful_step_count=50)
settings.load_profile("soak" if WHOLE else "jackstay")

LONGEST = 3000.0 if WHOLE else 300.0
"""Seconds after which a test that waits for ever has failed: a timeout in a fixture would not reach it."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """No coroutine of a test waits for ever."""
    for item in items:
        if isinstance(item, pytest.Function) and inspect.iscoroutinefunction(item.obj):
            item.obj = _bounded(item.obj)


def _bounded(test: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    @functools.wraps(test)
    async def bounded(*args: Any, **fixtures: Any) -> None:
        async with asyncio.timeout(LONGEST):
            await test(*args, **fixtures)

    return bounded
