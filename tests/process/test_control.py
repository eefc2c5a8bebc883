"""What supervisor and worker say to each other."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from process.control import Answering, Asking


@asynccontextmanager
async def pair(told: list[Any]) -> AsyncIterator[tuple[Asking, Answering]]:
    ours, theirs = socket.socketpair()
    yield await Asking.over(ours, told.append), await Answering.over(theirs)


async def test_questions_are_answered_in_order_among_what_is_told() -> None:
    told: list[Any] = []
    async with pair(told) as (asking, answering), asyncio.TaskGroup() as tasks:
        listening = tasks.create_task(asking.listen())
        answers = tasks.create_task(answering.answer({"one": lambda: [1], "two": lambda: {"n": 2}}))
        answering.tell({"missing": ["routes"]})
        got = await asyncio.gather(*(asking.ask(name, patience=5) for name in ("one", "two", "one")))
        assert got == [[1], {"n": 2}, [1]]
        assert told == [{"missing": ["routes"]}]
        answers.cancel()
        await listening


async def test_a_large_answer_arrives_whole() -> None:
    large = ["x" * 300] * 10_000
    async with pair([]) as (asking, answering), asyncio.TaskGroup() as tasks:
        tasks.create_task(asking.listen())
        answers = tasks.create_task(answering.answer({"connections": lambda: large}))
        assert await asking.ask("connections", patience=10) == large
        answers.cancel()


async def test_a_worker_that_ends_leaves_no_question_open() -> None:
    async with pair([]) as (asking, answering), asyncio.TaskGroup() as tasks:
        listening = tasks.create_task(asking.listen())
        answers = tasks.create_task(answering.answer({}))
        question = asyncio.ensure_future(asking.ask("metrics", patience=5))
        await asyncio.sleep(0)  # all three have begun
        answers.cancel()
        with pytest.raises(ConnectionError, match="has ended"):
            await question
        await listening
        with pytest.raises(ConnectionError, match="has ended"):
            await asking.ask("metrics", patience=5)


async def test_an_answer_that_came_too_late_is_not_taken_for_the_next_one() -> None:
    async with pair([]) as (asking, answering), asyncio.TaskGroup() as tasks:
        tasks.create_task(asking.listen())
        with pytest.raises(TimeoutError):
            await asking.ask("first", patience=0.01)
        answers = tasks.create_task(answering.answer({"first": lambda: 1, "second": lambda: 2}))
        assert await asking.ask("second", patience=5) == 2
        answers.cancel()


async def test_the_worker_learns_that_its_supervisor_has_gone() -> None:
    async with pair([]) as (asking, answering), asyncio.TaskGroup() as tasks:
        listening = tasks.create_task(asking.listen())
        await asyncio.sleep(0)  # it has begun
        listening.cancel()
        await asyncio.wait([listening])
        async with asyncio.timeout(60):
            await answering.answer({})
        answering.tell("nobody hears it")
