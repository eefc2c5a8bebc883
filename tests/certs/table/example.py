"""What is shown to an end, and a row of the table: the same with one flaw, and without."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from tests.certs.forge import WEB, Change, Forged, forge
from tests.support.bare_tls import Shown, Sign, signing

Role = Literal["client", "server"]
BOTH: tuple[Role, ...] = ("client", "server")


@dataclass(frozen=True)
class Example:
    """A chain as it is shown, how its holder proves itself, and the anchors that are asked."""

    chain: Sequence[bytes] = field(repr=False)
    sign: Sign = field(repr=False)
    anchors: bytes = field(repr=False)
    identity: str = WEB.dns_name
    """Who a server must be."""

    @property
    def shown(self) -> Shown:
        return Shown(self.chain, self.sign)


Make = Callable[[], Example]


@dataclass(frozen=True)
class Row:
    """A flaw: how it is made, what is made the same way without it, and what is said of it."""

    category: str
    name: str
    said: str
    """A part of the reason, as a regular expression: at both ends, or (client's | server's)."""
    bad: Make
    good: Make
    roles: tuple[Role, ...] = BOTH
    reason: str = "untrusted"
    """What OpenSSL cannot even read is a violation of the protocol."""

    def __str__(self) -> str:
        return f"{self.category}: {self.name}"


def shown(made: Forged, *, identity: str = WEB.dns_name, also: Sequence[bytes] = ()) -> Example:
    """*made* as its holder shows it, and *also* behind it."""
    return Example(
        (*made.chain, *also), signing(made.key), made.root.public_bytes(Encoding.PEM), identity=identity
    )


def forged(**changes: Any) -> Make:
    return lambda: shown(forge(**changes))


def row(
    category: str,
    name: str,
    said: str,
    *,
    sound: dict[str, Any] | None = None,
    roles: tuple[Role, ...] = BOTH,
    **flaw: Any,
) -> Row:
    """The chain of `forge`, made as *sound* has it, and with *flaw* in it too."""
    base = sound or {}
    both = {**base, **{part: _after(base.get(part), change) for part, change in flaw.items()}}
    return Row(category, name, said, forged(**both), forged(**base), roles)


def _after(before: Any, change: Any) -> Any:
    if before is None or not callable(change):
        return change
    first: Change = before
    second: Change = change
    return lambda draft: second(first(draft))


CURVES: dict[str, ec.EllipticCurve] = {"P-256": ec.SECP256R1(), "P-384": ec.SECP384R1()}
