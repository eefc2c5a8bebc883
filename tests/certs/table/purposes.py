"""Extended key usages, and times."""

from datetime import timedelta
from typing import Any

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID as Oid

from tests.certs.forge import CLIENT, HOUR, NOW, SERVER, Change, but, having, without
from tests.certs.table.example import Role, Row, row

SECOND = timedelta(seconds=1)
DAY = 24 * HOUR
OTHERS = {
    "mail": Oid.EMAIL_PROTECTION,
    "code": Oid.CODE_SIGNING,
    "time stamps": Oid.TIME_STAMPING,
    "OCSP": Oid.OCSP_SIGNING,
    "something unknown": x509.ObjectIdentifier("1.2.3.4.5"),
}


def for_(*purposes: x509.ObjectIdentifier, critical: bool = False) -> Change:
    return having(x509.ExtendedKeyUsage(purposes), critical=critical)


def at(part: str, change: Change) -> dict[str, Any]:
    return {part: change}


def one_role(part: str, role: Role) -> Row:
    """Made for the other role than the one in which it is shown."""
    other, purpose = ("servers", SERVER) if role == "client" else ("clients", CLIENT)
    name = f"{part} for {other} only"
    return row("purposes", name, "purpose|Auth|vouch", roles=(role,), **at(part, for_(purpose)))


ROWS: list[Row] = [
    row("purposes", "leaf without any", "Auth is missing", leaf=without(x509.ExtendedKeyUsage)),
    *(
        row("purposes", f"leaf for {name}", "purpose|Auth is missing", leaf=for_(oid))
        for name, oid in OTHERS.items()
    ),
    row("purposes", "leaf for anything", "purpose|everything", leaf=for_(Oid.ANY_EXTENDED_KEY_USAGE)),
    row(
        "purposes",
        "leaf for anything beside",
        "everything",
        leaf=for_(CLIENT, SERVER, Oid.ANY_EXTENDED_KEY_USAGE),
    ),
    row("purposes", "leaf, critical", "critical", leaf=for_(CLIENT, SERVER, critical=True)),
    *(
        row("purposes", f"issuer for {name}", "purpose|vouch", issuer=for_(oid))
        for name, oid in OTHERS.items()
    ),
    row(
        "purposes", "issuer for anything", "purpose|everything|vouch", issuer=for_(Oid.ANY_EXTENDED_KEY_USAGE)
    ),
    row("purposes", "issuer, critical", "critical", issuer=for_(CLIENT, SERVER, critical=True)),
    *(one_role(part, role) for part in ("leaf", "issuer") for role in ("client", "server")),
]

_ENDED, _EARLY = "expired|not valid now", "not yet valid|not valid now"
TIMES: list[Row] = [
    *(
        row("times", f"{part} ended {name} ago", _ENDED, **at(part, but(begin=NOW - 2 * DAY, end=NOW - ago)))
        for part in ("leaf", "issuer", "root")
        for name, ago in {"a second": SECOND, "an hour": HOUR, "a day": DAY}.items()
    ),
    *(
        row(
            "times", f"{part} begins in {name}", _EARLY, **at(part, but(begin=NOW + ahead, end=NOW + 9 * DAY))
        )
        for part in ("leaf", "issuer", "root")
        for name, ahead in {"half an hour": HOUR / 2, "a day": DAY}.items()
    ),
    row("times", "leaf of 1970", _ENDED, leaf=but(begin=NOW.replace(year=1970), end=NOW.replace(year=1971))),
    row(
        "times",
        "leaf of 9998",
        _EARLY,
        leaf=but(begin=NOW.replace(year=9998), end=NOW.replace(year=9999)),
    ),
    row(
        "times",
        "leaf of 2049, the last year of short dates",
        _EARLY,
        leaf=but(begin=NOW.replace(year=2049), end=NOW.replace(year=2050)),
    ),
]
