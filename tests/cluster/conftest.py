"""The API servers that the contract is checked against: our small one, and a real one where there is one."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.real_api import HOW_TO_GET_THEM, RealApi, assets, real_api


@pytest.fixture(scope="session")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealApi]:
    """One real API server for all tests, which keep apart by namespace."""
    binaries = assets()
    if binaries is None:
        pytest.skip(HOW_TO_GET_THEM)
    with real_api(binaries, Path(tmp_path_factory.mktemp("real-api"))) as api:
        yield api
