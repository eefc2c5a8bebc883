"""Values that are swapped, files that are followed: what is broken never takes the place of what works."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from gateway.current import Current, follow_file, read_file
from gateway.files import InvalidFile, read_targets
from gateway.metrics import DataPathMetrics
from gateway.routes import NO_ROUTES, RouteTable

PATIENCE = 30.0


def number(text: str) -> int:
    """A reader as simple as can be."""
    try:
        return int(text)
    except ValueError:
        raise InvalidFile(f"{text!r} is no number") from None


def replace(path: Path, text: str) -> None:
    """Swap the file whole, as editors and Kubernetes do."""
    new = path.with_suffix(".new")
    new.write_text(text)
    new.rename(path)


def remove(path: Path) -> None:
    path.unlink()


@dataclass
class Following:
    """A file that is followed, and what has been heard of it."""

    path: Path
    registry: CollectorRegistry
    lines: list[Any]
    taken: asyncio.Queue[int] = field(default_factory=asyncio.Queue)

    def reloads(self, result: str) -> float | None:
        return self.registry.get_sample_value("jackstay_reloads_total", {"what": "routes", "result": result})

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not condition():  # noqa: ASYNC110  # a counter sets no Event
                await asyncio.sleep(0.001)


@asynccontextmanager
async def following(path: Path) -> AsyncIterator[Following]:
    registry = CollectorRegistry()
    with capture_logs() as lines:
        one = Following(path, registry, lines)
        metrics = DataPathMetrics(registry, "inbound")
        task = asyncio.create_task(follow_file(path, number, one.taken.put, "routes", metrics, every=0.001))
        try:
            async with asyncio.timeout(PATIENCE):
                yield one
        finally:
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "number"
    path.write_text("1")
    return path


def test_a_value_is_asked_for_anew_each_time() -> None:
    current: Current[RouteTable] = Current(NO_ROUTES)
    assert current() is NO_ROUTES
    other = RouteTable.of(())
    current.swap(other)
    assert current() is other


async def test_what_a_file_says_at_the_start_is_taken_without_a_word(path: Path) -> None:
    async with following(path) as one:
        assert await one.taken.get() == 1
        assert one.lines == []
        assert one.reloads("ok") is None


async def test_each_new_content_is_taken_logged_and_counted(path: Path) -> None:
    async with following(path) as one:
        assert await one.taken.get() == 1
        for count, value in enumerate((22, 333), 1):
            replace(path, str(value))
            assert await one.taken.get() == value
            await one.until(lambda count=count: one.reloads("ok") == count)  # type: ignore[misc]  # a default
        assert [(line["event"], line["what"], line["file"]) for line in one.lines] == [
            ("file.loaded", "routes", str(path))
        ] * 2


@pytest.mark.parametrize("broken", ["x", "", "1\n2"])
async def test_a_broken_file_is_not_taken_and_the_next_good_one_is(path: Path, broken: str) -> None:
    async with following(path) as one:
        assert await one.taken.get() == 1
        replace(path, broken)
        await one.until(lambda: one.reloads("error") == 1)
        assert one.taken.empty()
        replace(path, "4444")
        assert await one.taken.get() == 4444
    kept = one.lines[0]
    assert (kept["event"], kept["log_level"]) == ("file.kept", "error")
    assert repr(broken) in kept["error"]


async def test_a_file_that_has_gone_is_not_taken_and_its_return_is(path: Path) -> None:
    async with following(path) as one:
        assert await one.taken.get() == 1
        remove(path)
        await one.until(lambda: one.reloads("error") == 1)
        assert "No such file" in one.lines[0]["error"]
        assert one.taken.empty()
        replace(path, "22")
        assert await one.taken.get() == 22


async def test_a_file_that_breaks_before_it_is_followed_is_told_too(path: Path) -> None:
    replace(path, "x")
    async with following(path) as one:
        await one.until(lambda: one.reloads("error") == 1)
        assert one.taken.empty()
        replace(path, "22")
        assert await one.taken.get() == 22


async def test_a_change_while_the_last_one_is_being_taken_is_not_lost(path: Path) -> None:
    metrics = DataPathMetrics(CollectorRegistry(), "outbound")
    seen: asyncio.Queue[int] = asyncio.Queue()
    go_on = asyncio.Event()

    async def slowly(value: int) -> None:
        seen.put_nowait(value)
        await go_on.wait()

    task = asyncio.create_task(follow_file(path, number, slowly, "targets", metrics, every=0.001))
    async with asyncio.timeout(PATIENCE):
        assert await seen.get() == 1
        replace(path, "22")
        go_on.set()
        assert await seen.get() == 22
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "No such file"), (b"\xff\xfe", "not text in UTF-8"), (b"x", "'x' is no number")],
)
def test_a_file_that_cannot_be_read_is_an_invalid_file(
    tmp_path: Path, content: bytes | None, said: str
) -> None:
    path = tmp_path / "number"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InvalidFile, match=said):
        read_file(path, number)
    with pytest.raises(InvalidFile, match="cannot be read"):
        read_file(tmp_path, number)


def test_what_a_good_file_says_is_what_its_reader_makes_of_it(tmp_path: Path) -> None:
    path = tmp_path / "targets.toml"
    path.write_text("target = []\n", encoding="utf-8")
    assert not read_file(path, read_targets).targets
