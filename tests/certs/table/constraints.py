"""Name constraints of an issuer, and of a root, that keep it from speaking for the leaf's name."""

from functools import partial
from ipaddress import ip_network
from typing import Any

from cryptography import x509

from tests.certs.forge import WEB, Change, dns, having, uri
from tests.certs.table.example import Row, row

_row = partial(row, "constraints")
_SAID = "TLS: .*subtree|TLS: |may not speak|constraint|no trust anchor|critical|cannot be read"

FIT = "cluster.local"


def constrained(
    permitted: list[x509.GeneralName] | None = None,
    excluded: list[x509.GeneralName] | None = None,
    *,
    critical: bool = True,
) -> Change:
    return having(x509.NameConstraints(permitted, excluded), critical=critical)


PERMITTED = {
    "another domain": "east.jackstay",
    "another of the same length": "clusted.local",
    "a name that ends alike": "er.local",
    "a longer name": "x.cluster.local",
    "a name below the leaf's": f"a.{WEB.dns_name}",
    "the leaf's neighbour": WEB.dns_name.replace("web", "api"),
    "another namespace": WEB.dns_name.removeprefix("web.").replace("test", "prod"),
    "another control plane": "linkerd.cluster.local",
    "the top of another domain": "example",
    "a name with a NUL": "cluster.local\0",
}
EXCLUDED = {
    "its domain": FIT,
    "its top": "local",
    "its namespace": WEB.dns_name.removeprefix("web."),
    "its control plane": "jackstay.cluster.local",
    "its very name": WEB.dns_name,
    "all names": "",
    "its domain in upper case": "CLUSTER.LOCAL",
}


def at(part: str, change: Change) -> dict[str, Any]:
    return {part: change}


ROWS: list[Row] = [
    *(
        _row(f"{part} bound to {name}", _SAID, **at(part, constrained([dns(value)])))
        for part in ("issuer", "root")
        for name, value in PERMITTED.items()
    ),
    *(
        _row(f"{part} that may not speak for {name}", _SAID, **at(part, constrained(None, [dns(value)])))
        for part in ("issuer", "root")
        for name, value in EXCLUDED.items()
    ),
    _row(
        "issuer bound to its domain but for the leaf's name",
        _SAID,
        issuer=constrained([dns(FIT)], [dns(WEB.dns_name)]),
    ),
    _row("issuer bound to two other domains", _SAID, issuer=constrained([dns("a.test"), dns("b.test")])),
    _row(
        "issuer that may not speak for the second of two",
        _SAID,
        issuer=constrained(None, [dns("a.test"), dns(FIT)]),
    ),
    _row("issuer bound, not critical", "critical", issuer=constrained([dns(FIT)], critical=False)),
    _row(
        "issuer bound to another domain, not critical",
        _SAID,
        issuer=constrained([dns("east.jackstay")], critical=False),
    ),
    _row("issuer bound to another URI", _SAID, issuer=constrained([uri("east.jackstay")])),
    _row("issuer that may not speak for the URI", _SAID, issuer=constrained(None, [uri("cluster.local")])),
    _row(
        "the first of two issuers bound to another domain",
        _SAID,
        sound={"issuers": 2},
        issuer=lambda d: constrained([dns("east.jackstay")])(d) if d.subject == "issuer 0" else d,
    ),
    _row(
        "the second of two issuers bound to another domain",
        _SAID,
        sound={"issuers": 2},
        issuer=lambda d: constrained([dns("east.jackstay")])(d) if d.subject == "issuer 1" else d,
    ),
    _row(
        "root and issuer bound to domains that have nothing in common",
        _SAID,
        root=constrained([dns(FIT)]),
        issuer=constrained([dns("east.jackstay")]),
    ),
    _row(
        "issuer bound by a name of a kind that the leaf has, to none of its own",
        _SAID,
        issuer=constrained([dns("example.com"), x509.IPAddress(ip_network("10.0.0.0/8"))]),
    ),
    _row(
        "root bound to another domain, a wider issuer",
        _SAID,
        root=constrained([dns("east.jackstay")]),
        issuer=constrained([dns(FIT)]),
    ),
]
