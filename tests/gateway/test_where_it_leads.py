"""Policy, balance, and the files that say what is exported and offered."""

import pytest

from gateway.files import InvalidFile, read_routes, read_targets
from gateway.policy import matches, may_use
from gateway.routes import Route, RouteTable, Target
from process.address import Address

WEB = "web.test.serviceaccount.identity.jackstay.cluster.local"
GATEWAY = "jackstay-gateway.jackstay.serviceaccount.identity.jackstay.cluster.local"


@pytest.mark.parametrize(
    ("identity", "pattern", "matching"),
    [
        (WEB, WEB, True),
        (WEB, WEB.replace("web", "api"), False),
        (WEB, "*." + WEB.partition(".")[2], True),
        (WEB, "*." + WEB.partition(".")[2].partition(".")[2], False),
        (WEB, "*", False),
        (WEB, "", False),
        ("." + WEB, "*." + WEB, False),
        (WEB + ".evil", WEB, False),
        ("evil." + WEB, WEB, False),
    ],
)
def test_a_pattern_matches_whole_names_and_one_label(identity: str, pattern: str, matching: bool) -> None:
    assert matches(identity, pattern) is matching


def test_nobody_everybody_and_those_who_are_listed() -> None:
    def route(allow: tuple[str, ...] | None) -> Route:
        return Route("a.b.svc.cluster.local", 80, (), allow)

    assert may_use(WEB, route(None))
    assert not may_use(WEB, route(()))
    assert may_use(WEB, route((GATEWAY, WEB)))
    assert not may_use(WEB, route((GATEWAY,)))


ROUTES = f"""
allow-loopback-backends = true
[[export]]
service = "Podinfo.test.svc.cluster.local"
port = 9898
endpoints = ["127.0.0.1:9000", "[::1]:9001", "backend.internal:80"]
allow-identities = ["{WEB}", "*.ops.serviceaccount.identity.jackstay.cluster.local"]
proxy-protocol = "v2"
[[export]]
service = "db.test.svc.cluster.local"
port = 5432
endpoints = []
"""

TARGETS = f"""
[[target]]
listen = "127.0.0.1:7001"
service = "podinfo.test.svc.cluster.local"
port = 9898
gateways = ["127.0.0.1:4143", "gateway.example:4143"]
gateway-identity = "{GATEWAY}"
cluster = "east"
protocol = "jackstay/1"
"""


def test_routes() -> None:
    assert read_routes(ROUTES) == RouteTable.of(
        [
            Route(
                "podinfo.test.svc.cluster.local",
                9898,
                (Address("127.0.0.1", 9000), Address("::1", 9001), Address("backend.internal", 80)),
                (WEB, "*.ops.serviceaccount.identity.jackstay.cluster.local"),
                proxy_protocol=True,
            ),
            Route("db.test.svc.cluster.local", 5432, ()),
        ],
        allow_loopback=True,
    )
    assert read_routes("") == RouteTable.of(())


def test_targets() -> None:
    table = read_targets(TARGETS)
    assert table.find(Address("127.0.0.1", 7001)) == Target(
        "podinfo.test.svc.cluster.local",
        9898,
        (Address("127.0.0.1", 4143), Address("gateway.example", 4143)),
        GATEWAY,
        "east",
        "jackstay/1",
    )
    assert table.find(Address("127.0.0.1", 7002)) is None


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("port = 9898", "port = '9898'", "'9898' is not a port"),
        ("port = 9898", "port = true", "True is not a port"),
        ("port = 9898", "port = 0", "0 is not a port"),
        ("port = 9898", "prot = 9898", "'prot' is not known here"),
        ("port = 9898", "", "port is missing"),
        ('"Podinfo.test.svc.cluster.local"', '"podinfo"', "NAME.NAMESPACE.svc"),
        ('"127.0.0.1:9000"', '"127.0.0.1"', "has no port"),
        ('"127.0.0.1:9000"', '":9000"', "names no host"),
        ('"127.0.0.1:9000"', '"127.0.0.1:0"', "names no host and port"),
        ('"127.0.0.1:9000"', "9000", "9000 is not a text"),
        ('"[::1]:9001"', '"::1:9001"', "in brackets"),
        (f'"{WEB}"', '"web"', "is not an identity"),
        (f'"{WEB}"', '"*.*.svc"', "is not an identity"),
        ('"v2"', '"v1"', 'is not "v2"'),
        ("= true", '= "yes"', "neither true nor false"),
        ("db.test", "podinfo.test", "stands there twice"),
        ("[[export]]", "[[export", "is not TOML"),
    ],
)
def test_what_is_wrong_in_routes_is_said(before: str, after: str, said: str) -> None:
    text = ROUTES.replace(before, after)
    if "twice" in said:
        text = text.replace("5432", "9898")
    assert text != ROUTES
    with pytest.raises(InvalidFile) as refused:
        read_routes(text)
    assert said in str(refused.value)


def test_all_mistakes_are_said_at_once() -> None:
    with pytest.raises(InvalidFile) as refused:
        read_targets('[[target]]\nlisten = "here"\nservice = "x"\nport = 70000\ncolour = 1\n')
    lines = str(refused.value).splitlines()
    assert len(lines) == 6
    assert all(line.startswith("target 1: ") for line in lines)


def test_a_single_table_is_no_list_of_them() -> None:
    with pytest.raises(InvalidFile, match=r"is written as \[\[export\]\]"):
        read_routes('[export]\nservice = "a.b.svc"\n')


def test_an_unknown_protocol_is_refused() -> None:
    with pytest.raises(InvalidFile, match=r"none of jackstay/1, transport\.l5d\.io/v1"):
        read_targets(TARGETS.replace("jackstay/1", "h2"))


def test_a_linkerd_gateway_is_spoken_to_in_its_own_way() -> None:
    (target,) = read_targets(TARGETS.replace("jackstay/1", "transport.l5d.io/v1")).targets.values()
    assert target.protocol == "transport.l5d.io/v1"
