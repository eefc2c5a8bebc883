"""Where a bearer token comes from, and when it is asked for again."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol


class TokenSource(Protocol):
    """Gives the token to send now."""

    async def token(self) -> str | None:
        """The token, or None where none is needed. Raises OSError or ValueError with a sentence."""

    def refused(self) -> None:
        """The server answered 401: the next `token` is a fresh one, if there is one."""


class FixedToken:
    """The one in the kubeconfig, or none."""

    def __init__(self, token: str | None) -> None:
        self._token = token

    async def token(self) -> str | None:
        return self._token

    def refused(self) -> None:
        """There is no other."""


class FileToken:
    """
    One that somebody else renews in a file: the kubelet, at four fifths of its life.

    Read again every *every* seconds. The clock is the monotonic one: a wall clock set back must not
    make us keep an old token.
    """

    def __init__(
        self, path: Path, *, every: float = 60.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._path = path
        self._every = every
        self._clock = clock
        self._token = ""
        self._read_again_at = float("-inf")

    async def token(self) -> str:
        now = self._clock()
        if now >= self._read_again_at:
            token = self._path.read_text(encoding="ascii").strip()
            if not token or not token.isprintable() or " " in token:
                raise ValueError(f"{self._path} holds no token")
            self._token = token
            self._read_again_at = now + self._every
        return self._token

    def refused(self) -> None:
        self._read_again_at = float("-inf")
