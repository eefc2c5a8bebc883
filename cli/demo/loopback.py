"""
A network of this machine's own for each cluster: 127.A.B.0/24, which nobody else has just now.

Linux answers on all of 127.0.0.0/8, so every service can have an address of its own and
its usual port, without root. A network is claimed by a bound socket on its last address:
the claim ends with the process that holds it, however that ends.
"""

import errno
import random
import socket
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from process.address import Address

CLAIM_PORT = 41430
TRIES = 200


class NoNetwork(Exception):
    """This machine has no loopback network to spare."""

    reason = "no_network"


@dataclass(frozen=True, slots=True)
class Network:
    """127.A.B.0/24, held while the claim's socket is open."""

    prefix: str
    """`127.A.B`"""

    claim: socket.socket

    @classmethod
    def claimed(cls, chance: random.Random) -> Self:
        """A network that no other demo has. Raises NoNetwork."""
        for _ in range(TRIES):
            prefix = f"127.{chance.randint(16, 250)}.{chance.randint(1, 250)}"
            claim = _bound(Address(f"{prefix}.254", CLAIM_PORT))
            if claim is not None:
                return cls(prefix, claim)
        raise NoNetwork(
            f"no network in 127.0.0.0/8 is free: something listens on port {CLAIM_PORT} of all addresses"
        )

    @property
    def range(self) -> str:
        return f"{self.prefix}.0/24"

    def address(self, host: int, port: int) -> Address:
        """That host with *port* or, where somebody has this port on all addresses, another one."""
        wanted = Address(f"{self.prefix}.{host}", port)
        for address in (wanted, Address(wanted.host, 0)):
            probe = _bound(address)
            if probe is not None:
                with probe:
                    return Address(wanted.host, probe.getsockname()[1])
        raise NoNetwork(f"{wanted.host} has no port to spare")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.claim.close()


def _bound(address: Address) -> socket.socket | None:
    """A socket bound there; None if somebody else has it. Raises NoNetwork where no such address exists."""
    found = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        found.bind((address.host, address.port))
    except OSError as error:
        found.close()
        if error.errno == errno.EADDRINUSE:
            return None
        raise NoNetwork(f"cannot use {address.host} ({error.strerror}); the demo needs Linux") from error
    return found
