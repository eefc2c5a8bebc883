"""Files that are whole or not there, and the news that one has changed."""

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest

from process.files import changes, write_atomically

PATIENCE = 30.0


@contextmanager
def umask(value: int) -> Iterator[None]:
    before = os.umask(value)
    try:
        yield
    finally:
        os.umask(before)


def test_a_file_is_private_and_whole(tmp_path: Path) -> None:
    path = tmp_path / "key"
    write_atomically(path, b"secret")
    assert path.read_bytes() == b"secret"
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o644, 0o400])
@pytest.mark.parametrize("mask", [0o000, 0o077, 0o777])
def test_the_mode_is_the_one_asked_for_whatever_the_umask(tmp_path: Path, mode: int, mask: int) -> None:
    path = tmp_path / "crt"
    with umask(mask):
        write_atomically(path, b"x", mode=mode)
        write_atomically(path, b"y", mode=mode, overwrite=True)
    assert path.stat().st_mode & 0o777 == mode


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


def test_a_link_that_leads_nowhere_is_something_too(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.symlink_to("nowhere")
    with pytest.raises(FileExistsError):
        write_atomically(path, b"new")
    assert path.is_symlink()
    assert not (tmp_path / "nowhere").exists()


def test_a_reader_of_the_old_file_keeps_it(tmp_path: Path) -> None:
    path = tmp_path / "key"
    write_atomically(path, b"old")
    with path.open("rb") as reading:
        write_atomically(path, b"newer", overwrite=True)
        assert reading.read() == b"old"


@pytest.mark.parametrize("overwrite", [True, False])
def test_nothing_is_left_behind_where_it_cannot_be_written(tmp_path: Path, overwrite: bool) -> None:
    path = tmp_path / "key"
    path.mkdir()
    with pytest.raises(OSError, match=r"key"):
        write_atomically(path, b"x", overwrite=overwrite)
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(FileNotFoundError):
        write_atomically(tmp_path / "missing" / "key", b"x", overwrite=overwrite)


def test_of_many_who_write_at_once_one_wins_and_its_file_is_whole(tmp_path: Path) -> None:
    path, together = tmp_path / "key", threading.Barrier(8)

    def write(number: int) -> int | None:
        together.wait()
        try:
            write_atomically(path, bytes([number]) * 100_000)
        except FileExistsError:
            return None
        return number

    with ThreadPoolExecutor(8) as threads:
        (winner,) = [number for number in threads.map(write, range(8)) if number is not None]
    assert path.read_bytes() == bytes([winner]) * 100_000
    assert list(tmp_path.iterdir()) == [path]


# Changes.


def put(path: Path, text: str) -> None:
    """Another file in the place of *path*."""
    new = path.with_name("new")
    new.write_text(text)
    new.rename(path)


def contents(*paths: Path) -> list[str]:
    return [path.read_text() if path.exists() else "gone" for path in paths]


def remove(path: Path) -> None:
    path.unlink()


def write_over(path: Path, text: str) -> None:
    """Other bytes in the same file."""
    path.write_text(text)


def swap(link: Path, target: str) -> None:
    """*link* leads elsewhere, as Kubernetes does it with ..data."""
    new = link.with_name("next")
    new.symlink_to(target)
    new.rename(link)


@asynccontextmanager
async def watching(*paths: Path, at_once: bool = False) -> AsyncIterator["asyncio.Queue[list[str]]"]:
    """What the files hold each time that they have changed; the first look is over when this begins."""
    seen: asyncio.Queue[list[str]] = asyncio.Queue()

    async def follow() -> None:
        async for _ in changes(*paths, every=0.001, at_once=at_once):
            seen.put_nowait(contents(*paths))

    following = asyncio.create_task(follow())
    await asyncio.sleep(0)
    try:
        async with asyncio.timeout(PATIENCE):
            yield seen
    finally:
        following.cancel()
        with pytest.raises(asyncio.CancelledError):
            await following


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "crt"
    path.write_text("one")
    return path


async def test_a_file_that_is_replaced_rewritten_removed_or_made_has_changed(path: Path) -> None:
    async with watching(path) as seen:
        put(path, "two")
        assert await seen.get() == ["two"]
        write_over(path, "three")
        while await seen.get() != ["three"]:
            pass  # writing is two steps, and both may be seen
        remove(path)
        assert await seen.get() == ["gone"]
        put(path, "three")
        assert await seen.get() == ["three"]


async def test_another_file_of_the_same_size_and_time_has_changed(path: Path) -> None:
    other = path.with_name("other")
    write_over(other, "eno")
    for one in (path, other):
        os.utime(one, ns=(10**18, 10**18))
    async with watching(path) as seen:
        other.rename(path)
        assert await seen.get() == ["eno"]


async def test_changes_are_seen_through_a_symlink_that_is_swapped(tmp_path: Path) -> None:
    for version in ("one", "two"):
        (tmp_path / version).mkdir()
        (tmp_path / version / "crt").write_text(version)
    (tmp_path / "..data").symlink_to("one")
    path = tmp_path / "crt"
    path.symlink_to("..data/crt")
    async with watching(path) as seen:
        swap(tmp_path / "..data", "two")
        assert await seen.get() == ["two"]
        swap(tmp_path / "..data", "nowhere")
        assert await seen.get() == ["gone"]
        swap(tmp_path / "..data", "one")
        assert await seen.get() == ["one"]


async def test_any_of_several_files_is_news(path: Path) -> None:
    other = path.with_name("key")
    async with watching(path, other) as seen:
        put(other, "key")
        assert await seen.get() == ["one", "key"]
        put(path, "two")
        assert await seen.get() == ["two", "key"]


async def test_what_has_not_changed_is_no_news(path: Path) -> None:
    other = path.with_name("other")
    async with watching(path) as seen:
        put(other, "beside it")
        contents(path)
        put(path, "two")
        assert await seen.get() == ["two"]
        assert seen.empty()


async def test_who_wants_it_is_told_at_once_and_misses_nothing_after(path: Path) -> None:
    async with watching(path, at_once=True) as seen:
        assert await seen.get() == ["one"]
        put(path, "two")
        assert await seen.get() == ["two"]


async def test_a_change_during_the_work_on_the_last_one_is_told(path: Path) -> None:
    news = changes(path, every=0.001, at_once=True)
    async with asyncio.timeout(PATIENCE):
        await anext(news)
        put(path, "two")  # while nobody asks
        await anext(news)
    assert contents(path) == ["two"]
