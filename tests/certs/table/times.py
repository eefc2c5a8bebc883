"""Certificates that are not valid now, at each place of the chain."""

from typing import Any

from tests.certs.forge import NOW, Change, but
from tests.certs.table import DAY, HOUR, SECOND, Case, bad

TWO = {"issuers": 2}


def _of(place: str, change: Change) -> dict[str, Any]:
    return {place: change}


_SAID = {"leaf": "leaf is not valid now", "issuer": "issuer is not valid now", "root": "trust anchor, or"}
_WHEN = {
    "ended an hour ago": but(begin=NOW - DAY, end=NOW - HOUR),
    "ended a year ago": but(begin=NOW - 730 * DAY, end=NOW - 365 * DAY),
    "begins in an hour": but(begin=NOW + HOUR, end=NOW + DAY),
    "begins after 2050, a GeneralizedTime": but(begin=NOW + 9999 * DAY, end=NOW + 10000 * DAY),
}

ROWS: list[Case] = [
    bad("leaf expired by a second", "leaf is not valid now", leaf=but(end=NOW - SECOND)),
    bad("leaf valid in a second", "leaf is not valid now", leaf=but(begin=NOW + SECOND), at_doors=False),
    bad("issuer expired", "issuer is not valid now", issuer=but(end=NOW - SECOND)),
    bad("issuer not yet valid", "issuer is not valid now", issuer=but(begin=NOW + SECOND), at_doors=False),
    bad("root expired", "trust anchor, or", root=but(end=NOW - SECOND)),
    bad("root not yet valid", "trust anchor, or", root=but(begin=NOW + SECOND), at_doors=False),
    *(
        bad(f"{place} {when}", _SAID[place], **_of(place, change))
        for place in ("leaf", "issuer", "root")
        for when, change in _WHEN.items()
    ),
    bad("upper issuer ended", "issuer is not valid now", base=TWO, top=but(end=NOW - SECOND)),
    bad(
        "upper issuer not begun",
        "issuer is not valid now",
        base=TWO,
        top=but(begin=NOW + HOUR, end=NOW + DAY),
    ),
    bad(
        "all ended together",
        "not valid now",
        leaf=but(end=NOW - SECOND),
        issuer=but(end=NOW - SECOND),
        root=but(end=NOW - SECOND),
    ),
]
