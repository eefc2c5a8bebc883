"""Where a process has its certificate from: files that somebody else writes, or an identity service."""

from collections.abc import Callable
from typing import Protocol

from certs.generation import Generation

Told = Callable[[Generation | None], None]
"""Called with each generation that is taken over, and with None for one that was not."""


class CertificateSource(Protocol):
    """Certificate, key and trust anchors as they are now, and as they will be."""

    @property
    def identity(self) -> str:
        """Who we are, or will be: the DNS name in our certificate."""

    def generation(self) -> Generation:
        """What a handshake that begins now uses. Not to be asked for before `first` has returned."""

    async def first(self) -> None:
        """Return once there is a generation; while `follow` runs."""

    async def follow(self, told: Told = lambda _: None) -> None:
        """
        Take over what comes, keep what was when that is broken. Until cancelled.

        *told* gets the first generation and each new one, and None for one that was not taken.
        """

    async def warn(self) -> None:
        """Say in the log when our certificate ends soon, and when it has ended. Until cancelled."""

    def renew(self) -> None:
        """Look for a newer certificate now, while `follow` runs."""
