"""
The second and the third look of `verification` on files: would a peer with these anchors take this chain.

The first look, OpenSSL's, needs a handshake and the key; what it alone would refuse is not seen here.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, Self

from certs import certificate, pem
from certs.trust_bundle import InvalidTrustBundle, TrustBundle
from certs.verification import Role, Untrusted, verify

_RFC_3339 = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(\.\d+)?(?:[Zz]|([+-](?:[01]\d|2[0-3]):[0-5]\d))", re.ASCII
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Who the chain proves its holder to be, or why it proves nothing: exactly one of the two is None."""

    identity: str | None
    reason: str | None

    @property
    def ok(self) -> bool:
        return self.reason is None

    @classmethod
    def taken(cls, identity: str) -> Self:
        return cls(identity, None)

    @classmethod
    def refused(cls, reason: str) -> Self:
        return cls(None, reason)


def verdict(chain: bytes, anchors: bytes, *, role: Role, at: datetime) -> Verdict:
    """What is to be said at *at* of a PEM *chain*, leaf first, under the PEM *anchors*. Raises nothing."""
    try:
        bundle = TrustBundle.from_pem(anchors)
        return Verdict.taken(verify(_chain(chain), bundle, role=role, at=at).identity)
    except InvalidTrustBundle as error:
        return Verdict.refused(f"trust anchors: {error}")
    except pem.InvalidPem as error:
        return Verdict.refused(f"the chain cannot be read: {error}")
    except Untrusted as error:
        return Verdict.refused(str(error))


def _chain(data: bytes) -> list[bytes]:
    """The certificates of a file as a peer would send them. Raises InvalidPem."""
    blocks = pem.blocks(data)
    for number, block in enumerate(blocks, 1):
        if block.label not in certificate.LABELS:
            raise pem.InvalidPem(f"block {number} is a {block.label}, not a CERTIFICATE")
    return [block.body for block in blocks]


def role_of(text: object) -> Role:
    """`client` or `server`; a client if *text* is None. Raises ValueError."""
    roles: dict[object, Literal["client", "server"]] = {
        None: "client",
        "client": "client",
        "server": "server",
    }
    if isinstance(text, str | None) and text in roles:
        return roles[text]
    raise ValueError("a peer is verified as client or as server")


def moment(text: str) -> datetime:
    """A time as RFC 3339 writes it, with its offset from UTC. Raises ValueError."""
    found = _RFC_3339.fullmatch(text)
    if found is None:
        raise ValueError("a time is written as RFC 3339 has it, such as 2026-01-31T12:00:00Z")
    day, time, fraction, offset = found.groups()
    try:
        at = datetime.fromisoformat(f"{day}T{time}{offset or '+00:00'}")
        # What a clock says is cut to microseconds, as ours is.
        return at.astimezone(UTC).replace(microsecond=int(f"{(fraction or '.0')[1:7]:0<6}"))
    except (ValueError, OverflowError) as error:
        raise ValueError(f"there is no such time: {error}") from error
