"""Files that are whole or not there, and the news that one has changed."""

import asyncio
from pathlib import Path

import pytest

from process.backoff import Backoff
from process.files import changes, write_atomically


def test_a_file_is_private_and_whole(tmp_path: Path) -> None:
    path = tmp_path / "key"
    write_atomically(path, b"secret")
    assert path.read_bytes() == b"secret"
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_what_is_there_stays_unless_it_may_be_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "key"
    write_atomically(path, b"old")
    with pytest.raises(FileExistsError):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    write_atomically(path, b"new", overwrite=True, mode=0o644)
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o644
    assert list(tmp_path.iterdir()) == [path]


async def test_changes_are_seen_also_through_a_symlink_that_is_swapped(tmp_path: Path) -> None:
    for version in ("one", "two"):
        (tmp_path / version).mkdir()
        (tmp_path / version / "crt").write_text(version)
    (tmp_path / "data").symlink_to("one")
    path = tmp_path / "data" / "crt"
    seen: asyncio.Queue[str] = asyncio.Queue()

    async def follow() -> None:
        async for _ in changes(path, every=0.01):
            seen.put_nowait(path.read_text() if path.exists() else "gone")

    following = asyncio.create_task(follow())
    await asyncio.sleep(0)
    async with asyncio.timeout(10):
        (tmp_path / "next").symlink_to("two")
        (tmp_path / "next").rename(tmp_path / "data")
        assert await seen.get() == "two"
        path.unlink()
        assert await seen.get() == "gone"
    following.cancel()


def test_pauses_grow_up_to_the_most_and_are_spread() -> None:
    backoff = Backoff(first=1.0, most=10.0)
    assert [backoff.delay(attempt, 1.0) for attempt in range(5)] == [1, 2, 4, 8, 10]
    assert backoff.delay(3, 0.0) == 4
    assert backoff.delay(100_000, 1.0) == 10
