from pathlib import Path

import pytest

from cluster.tokens import FileToken, FixedToken


class Clock:
    """A clock that stands still until it is told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "token"
    file.write_text("one\n")
    return file


def put(file: Path, content: str) -> None:
    file.write_text(content)


def remove(file: Path) -> None:
    file.unlink()


async def test_a_file_is_read_again_each_minute(file: Path) -> None:
    clock = Clock()
    source = FileToken(file, clock=clock)
    assert await source.token() == "one"
    put(file, "two")
    clock.now += 59.0
    assert await source.token() == "one"
    clock.now += 1.0
    assert await source.token() == "two"


async def test_a_refused_token_is_read_again_at_once(file: Path) -> None:
    source = FileToken(file, clock=Clock())
    assert await source.token() == "one"
    put(file, "two")
    source.refused()
    assert await source.token() == "two"


@pytest.mark.parametrize("content", ["", "\n", "a b", "a\nb", "a\r\nX: y"])
async def test_what_cannot_stand_in_a_header_is_no_token(file: Path, content: str) -> None:
    put(file, content)
    with pytest.raises(ValueError, match="holds no token"):
        await FileToken(file).token()


async def test_a_file_that_is_not_there_is_an_error_each_time(file: Path) -> None:
    source = FileToken(file)
    remove(file)
    for _ in range(2):
        with pytest.raises(FileNotFoundError):
            await source.token()
    put(file, "back")
    assert await source.token() == "back"


async def test_a_fixed_token_stays() -> None:
    source = FixedToken("one")
    source.refused()
    assert await source.token() == "one"
    assert await FixedToken(None).token() is None
