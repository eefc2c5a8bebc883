"""
Chains that must be refused, each a good one with a single flaw, and chains that must be taken.

A case is what `forge` is told; without the flaw the same is a good chain. `tests/certs/test_table.py` shows
all of them to the verification alone, `tests/gateway/test_table_at_the_doors.py` to both ends.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from certs.identity import Identity
from tests.certs.forge import Forged, forge

LONG = Identity("linkerd-gateway", "linkerd-multicluster", "linkerd", "cluster.local")
"""82 characters."""

SECOND, HOUR, DAY = timedelta(seconds=1), timedelta(hours=1), timedelta(days=1)

Sent = Callable[[Forged], Sequence[bytes]]


@dataclass(frozen=True)
class Case:
    """A chain by what is forged in it, and a part of the sentence that refuses it."""

    name: str
    said: str = ""
    forged: Mapping[str, Any] = field(default_factory=dict)
    base: Mapping[str, Any] = field(default_factory=dict)
    """What is forged in it that is no flaw."""

    sent: Sent = lambda made: made.chain
    """What the peer sends of it, DER, leaf first."""

    at_doors: bool = True
    """Whether it is so whenever the test runs, and a TLS library will show it."""

    def made(self) -> Forged:
        return forge(**{**self.base, **self.forged})

    def without_flaw(self) -> Forged:
        return forge(**self.base)


def bad(
    name: str,
    said: str,
    *,
    base: Mapping[str, Any] | None = None,
    sent: Sent | None = None,
    at_doors: bool = True,
    **forged: Any,
) -> Case:
    """A flaw; how many issuers there are is none."""
    base = dict(base or {})
    if "issuers" in forged:
        base.setdefault("issuers", min(forged["issuers"], 4))
    return Case(name, said, forged, base, sent or (lambda made: made.chain), at_doors)


def good(name: str, **forged: Any) -> Case:
    """Nothing is wrong with it, however odd."""
    return Case(name, "", {}, forged)
