"""Authorities that may not speak for the leaf's name: each form of a constraint, at each place."""

from ipaddress import ip_network
from typing import Any

from cryptography import x509

from tests.certs.forge import WEB, Change, dns, having, uri
from tests.certs.table import Case, bad

_PERMITTED = {
    "another domain": ["east.jackstay"],
    "several others": ["east.jackstay", "west.jackstay", "localhost"],
    "an ending that is no label": ["er.local"],
    "a domain with more before": ["xcluster.local"],
    "a name below the leaf": ["a." + WEB.dns_name],
    "the leaf's name and a bit": [WEB.dns_name + "x"],
    "another account of the namespace": ["api" + WEB.dns_name[3:]],
    "the domain turned round": ["local.cluster"],
}
_EXCLUDED = {
    "its trust domain": ["cluster.local"],
    "the top": ["local"],
    "its own name": [WEB.dns_name],
    "its control namespace": ["jackstay.cluster.local"],
    "its namespace": [WEB.dns_name.partition(".")[2]],
    "one of several": ["east.jackstay", "cluster.local"],
}
_PLACES = {"root": ("root", {}), "issuer": ("issuer", {}), "upper issuer": ("top", {"issuers": 2})}


def _constraints(permitted: list[str] | None, excluded: list[str] | None) -> x509.NameConstraints:
    return x509.NameConstraints(
        [dns(name) for name in permitted] if permitted else None,
        [dns(name) for name in excluded] if excluded else None,
    )


def _as(argument: str, change: Change) -> dict[str, Any]:
    return {argument: change}


_SAID = "may not speak for its name"

ROWS: list[Case] = [
    bad(
        "issuer bound to another domain",
        "may not speak for its name",
        issuer=having(x509.NameConstraints([dns("east.jackstay")], None), critical=True),
    ),
    bad(
        "issuer that may not speak for this domain",
        "may not speak for its name",
        issuer=having(x509.NameConstraints(None, [dns("cluster.local")]), critical=True),
    ),
    bad(
        "issuer bound to a name that only ends alike",
        "may not speak for its name",
        issuer=having(x509.NameConstraints([dns("er.local")], None), critical=True),
    ),
    bad(
        "root bound to another domain",
        "may not speak for its name",
        root=having(x509.NameConstraints([dns("east.jackstay")], None), critical=True),
    ),
    bad(
        "constraints that are not critical",
        "not marked critical",
        issuer=having(x509.NameConstraints([dns("cluster.local")], None)),
    ),
    *(
        bad(
            f"{place} permits {name}",
            _SAID,
            base=base,
            **_as(argument, having(_constraints(permitted, None), critical=True)),
        )
        for place, (argument, base) in _PLACES.items()
        for name, permitted in _PERMITTED.items()
    ),
    *(
        bad(
            f"{place} excludes {name}",
            _SAID,
            base=base,
            **_as(argument, having(_constraints(None, excluded), critical=True)),
        )
        for place, (argument, base) in _PLACES.items()
        for name, excluded in _EXCLUDED.items()
    ),
    *(
        bad(
            f"{place} permits the domain and excludes the namespace",
            _SAID,
            base=base,
            **_as(
                argument,
                having(_constraints(["cluster.local"], [WEB.dns_name.partition(".")[2]]), critical=True),
            ),
        )
        for place, (argument, base) in _PLACES.items()
    ),
    bad(
        "upper issuer's constraints are not critical",
        "not marked critical",
        base={"issuers": 2},
        top=having(x509.NameConstraints([dns("cluster.local")], None)),
    ),
    bad(
        "issuer permits another trust domain's URIs",
        "may not speak|cannot be read|no trust anchor",
        issuer=having(x509.NameConstraints([uri("east.jackstay")], None), critical=True),
    ),
    bad(
        "issuer excludes addresses and its domain",
        _SAID,
        issuer=having(
            x509.NameConstraints(None, [x509.IPAddress(ip_network("10.0.0.0/8")), dns("cluster.local")]),
            critical=True,
        ),
    ),
]
