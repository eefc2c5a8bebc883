"""Routes and targets as people write them: every mistake in one go, and nothing that a peer refuses."""

import re
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.files import InvalidFile, read_routes, read_targets
from gateway.messages import Opening, read_opening
from gateway.routes import Route
from process.address import Address

WEB = "web.test.serviceaccount.identity.jackstay.cluster.local"
GATEWAY = "jackstay-gateway.jackstay.serviceaccount.identity.jackstay.cluster.local"
SERVICE = "podinfo.test.svc.cluster.local"


def export(**changes: str) -> str:
    """One [[export]] of a routes file; a key with an underscore is written with a hyphen."""
    return _table(
        "export", {"service": f'"{SERVICE}"', "port": "9898", "endpoints": '["10.0.0.1:80"]'} | changes
    )


def target(**changes: str) -> str:
    keys = {
        "listen": '"127.0.0.1:7001"',
        "service": f'"{SERVICE}"',
        "port": "9898",
        "gateways": '["10.0.0.1:4143"]',
        "gateway_identity": f'"{GATEWAY}"',
    }
    return _table("target", keys | changes)


def _table(name: str, keys: dict[str, str]) -> str:
    lines = [f"{key.replace('_', '-')} = {value}" for key, value in keys.items() if value]
    return "\n".join((f"[[{name}]]", *lines, ""))


def mistakes_in_routes(text: str) -> list[str]:
    with pytest.raises(InvalidFile) as refused:
        read_routes(text)
    return str(refused.value).splitlines()


def mistakes_in_targets(text: str) -> list[str]:
    with pytest.raises(InvalidFile) as refused:
        read_targets(text)
    return str(refused.value).splitlines()


def only_route(text: str) -> Route:
    (route,) = read_routes(text).routes.values()
    return route


def test_what_is_not_said_is_the_safe_choice() -> None:
    table = read_routes(export())
    assert table.allow_loopback is False
    assert table.find(SERVICE, 9898) == Route(
        SERVICE, 9898, (Address("10.0.0.1", 80),), None, accept_bare_fin=False, proxy_protocol=False
    )


def test_nobody_is_not_everybody() -> None:
    assert only_route(export(allow_identities="[]")).allow == ()
    assert only_route(export(allow_identities=f'["{WEB}"]')).allow == (WEB,)
    assert only_route(export()).allow is None


def test_a_service_is_known_in_lower_case_whatever_the_file_says() -> None:
    assert only_route(export(service=f'"{SERVICE.upper()}"')).service == SERVICE


def test_endpoints_keep_their_order_and_may_be_names_and_ipv6() -> None:
    endpoints = '["[::1]:4143", "db-0.internal:5432", "10.0.0.1:80", "[2001:db8::1]:1"]'
    assert [str(one) for one in only_route(export(endpoints=endpoints)).backends] == [
        "[::1]:4143",
        "db-0.internal:5432",
        "10.0.0.1:80",
        "[2001:db8::1]:1",
    ]


def test_a_target_may_listen_on_all_addresses_and_on_a_port_of_the_systems_choice() -> None:
    assert read_targets(target(listen='":7001"')).find(Address("", 7001)) is not None
    assert read_targets(target(listen='"127.0.0.1:0"')).find(Address("127.0.0.1", 0)) is not None
    assert read_targets(target(listen='"[::1]:7001"')).find(Address("::1", 7001)) is not None


def near(text: str, zone: str) -> list[str]:
    (route,) = read_routes(text, zone=zone).routes.values()
    assert len(route.backends) == 3
    return [str(one) for one in route.near]


def test_endpoints_in_our_own_zone_are_the_near_ones() -> None:
    text = export(endpoints='["10.0.0.1:80", "db.internal:80", "10.0.0.3:80"]', zones='["a", "b", "a"]')
    assert near(text, "a") == ["10.0.0.1:80", "10.0.0.3:80"]
    assert near(text, "b") == ["db.internal:80"]
    assert near(text, "c") == near(text, "") == []


def test_a_zone_that_is_not_known_is_nobodys_own() -> None:
    text = export(endpoints='["10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80"]', zones='["", "a", ""]')
    assert near(text, "a") == ["10.0.0.2:80"]
    assert near(text, "") == []


@pytest.mark.parametrize(("zones", "count"), [("[]", 0), ('["a"]', 1), ('["a", "b", "c"]', 3)])
def test_there_is_a_zone_for_each_endpoint(zones: str, count: int) -> None:
    (line,) = mistakes_in_routes(export(endpoints='["10.0.0.1:80", "10.0.0.2:80"]', zones=zones))
    each = 'write one for each, "" where it is not known'
    assert line == f"export 1: zones: {count} for 2 endpoints; {each}"


def test_of_endpoints_that_are_wrong_zones_say_nothing() -> None:
    for endpoints in ('["10.0.0.1"]', "1", ""):
        (line,) = mistakes_in_routes(export(endpoints=endpoints, zones='["a"]'))
        assert line.startswith("export 1: endpoints")


WRONG = ["true", "1", "1.5", '""', '"x"', "[]", "[1]", "{}", "{ a = 1 }", "1979-05-27", "nan"]
RIGHT_IN_ROUTES = {
    "allow_identities": ["[]"],
    "endpoints": ["[]"],
    "accept_bare_fin": ["true"],
    "port": ["1"],
}
RIGHT_IN_TARGETS = {"gateways": ["[]"], "port": ["1"], "cluster": ['"x"']}


@pytest.mark.parametrize("value", WRONG)
@pytest.mark.parametrize(
    "key",
    ["service", "port", "endpoints", "zones", "allow_identities", "proxy_protocol", "accept_bare_fin"],
)
def test_a_value_of_the_wrong_kind_in_an_export_is_named(key: str, value: str) -> None:
    text = export(**{key: value})
    if value in RIGHT_IN_ROUTES.get(key, ()):
        assert read_routes(text).routes
    else:
        (line,) = mistakes_in_routes(text)
        assert line.startswith(f"export 1: {key.replace('_', '-')}: ")


@pytest.mark.parametrize("value", WRONG)
@pytest.mark.parametrize(
    "key", ["listen", "service", "port", "gateways", "gateway_identity", "cluster", "protocol"]
)
def test_a_value_of_the_wrong_kind_in_a_target_is_named(key: str, value: str) -> None:
    text = target(**{key: value})
    if value in RIGHT_IN_TARGETS.get(key, ()):
        assert len(read_targets(text).targets) == 1
    else:
        (line,) = mistakes_in_targets(text)
        assert line.startswith(f"target 1: {key.replace('_', '-')}: ")


@pytest.mark.parametrize("value", [value for value in WRONG if value != "true"])
def test_whether_loopback_is_allowed_is_said_by_true_or_false(value: str) -> None:
    (line,) = mistakes_in_routes(f"allow-loopback-backends = {value}\n{export()}")
    assert line.endswith("is neither true nor false")


@pytest.mark.parametrize("key", ["service", "port", "endpoints"])
def test_what_an_export_cannot_do_without_is_named(key: str) -> None:
    assert mistakes_in_routes(export(**{key: ""})) == [f"export 1: {key} is missing"]


@pytest.mark.parametrize("key", ["listen", "service", "port", "gateways", "gateway_identity"])
def test_what_a_target_cannot_do_without_is_named(key: str) -> None:
    assert mistakes_in_targets(target(**{key: ""})) == [f"target 1: {key.replace('_', '-')} is missing"]


@pytest.mark.parametrize("port", ["0", "-1", "65536", "0x10000", '"80"', "80.0", "99999999999999999999"])
def test_ports_that_are_none_are_named(port: str) -> None:
    assert re.fullmatch(
        r"export 1: port: .* is not a port from 1 to 65535", mistakes_in_routes(export(port=port))[0]
    )


@pytest.mark.parametrize("port", [1, 65535])
def test_the_first_and_the_last_port_are_ports(port: int) -> None:
    assert only_route(export(port=str(port))).port == port


@pytest.mark.parametrize(
    "service",
    [
        "podinfo",
        "podinfo.test",
        "podinfo.test.svc",
        "podinfo.test.cluster.local",
        "podinfo.test.svc.",
        "podinfo.test.svc.cluster.local.",
        ".test.svc.cluster.local",
        "podinfo..svc.cluster.local",
        "pod info.test.svc.cluster.local",
        "pod_info.test.svc.cluster.local",
        "-podinfo.test.svc.cluster.local",
        "*.test.svc.cluster.local",
        "podinfo.test.svc.cluster.local:9898",
        "\u212aube.test.svc.cluster.local",
        "a" * 64 + ".test.svc.cluster.local",
        "a." * 2 + "svc." + "a." * 124 + "ab",
    ],
)
def test_a_service_that_no_peer_could_ask_for_is_refused(service: str) -> None:
    for (line,) in (
        mistakes_in_routes(export(service=f'"{service}"')),
        mistakes_in_targets(target(service=f'"{service}"')),
    ):
        assert line.endswith("is not written as NAME.NAMESPACE.svc.CLUSTER-DOMAIN")


@pytest.mark.parametrize("cluster", ["", "my cluster", "-east", "e" * 254, "\u00e9ast"])
def test_a_cluster_that_the_gateway_would_not_read_is_refused(cluster: str) -> None:
    (line,) = mistakes_in_targets(target(cluster=f'"{cluster}"'))
    assert line.startswith("target 1: cluster: ")


@pytest.mark.parametrize(
    "endpoint", ["10.0.0.1", "10.0.0.1:0", ":80", "::1:80", "a..b:80", "a b:80", "h:65536", ""]
)
def test_an_endpoint_that_nobody_can_connect_to_is_refused(endpoint: str) -> None:
    for (line,) in (
        mistakes_in_routes(export(endpoints=f'["10.0.0.1:80", "{endpoint}"]')),
        mistakes_in_targets(target(gateways=f'["10.0.0.1:80", "{endpoint}"]')),
    ):
        assert line.startswith(("export 1: endpoints: ", "target 1: gateways: "))


OPS = "ops.serviceaccount.identity.jackstay.cluster.local"


@pytest.mark.parametrize("pattern", [WEB, f"*.{OPS}"])
def test_identities_and_patterns_are_taken(pattern: str) -> None:
    assert only_route(export(allow_identities=f'["{pattern}"]')).allow == (pattern,)


@pytest.mark.parametrize(
    "pattern",
    [
        "*",
        "*.",
        f"*.*.{OPS}",
        f"**.{OPS}",
        f"w*.{OPS}",
        f"web.*.{OPS.partition('.')[2]}",
        f"*{OPS}",
        "*.cluster.local",
        "*.serviceaccount.identity.jackstay.cluster.local",
        f"*.a.b.{OPS}",
        WEB.upper(),
        WEB + ".",
        f" {WEB}",
        "spiffe://cluster.local/ns/test/sa/web",
        "web.test",
    ],
)
def test_a_pattern_that_could_match_nobody_or_too_many_is_refused(pattern: str) -> None:
    (line,) = mistakes_in_routes(export(allow_identities=f'["{pattern}"]'))
    assert line.startswith("export 1: allow-identities: ")
    if "*" in pattern:
        (line,) = mistakes_in_targets(target(gateway_identity=f'"{pattern}"'))
        assert line.startswith("target 1: gateway-identity: ")


def test_a_gateway_has_one_name_and_no_pattern() -> None:
    (line,) = mistakes_in_targets(target(gateway_identity=f'"*.{OPS}"'))
    assert line.startswith("target 1: gateway-identity: ")


def test_every_mistake_is_named_at_once_and_where_it_is() -> None:
    text = "\n".join(
        (
            "colour = 1",
            'allow-loopback-backends = "yes"',
            export(port="0", service='"x"', colour="1"),
            export(port="80"),
            export(
                endpoints='["10.0.0.1", "10.0.0.2:80", "10.0.0.3:0", "b:c"]',
                allow_identities='["web", "api"]',
            ),
        )
    )
    lines = mistakes_in_routes(text)
    for place, what in (
        ("the file: 'colour' is not known here", "known are allow-loopback-backends, export"),
        ("the file: allow-loopback-backends: ", "'yes'"),
        ("export 1: 'colour' is not known here", "known are service, port"),
        ("export 1: service: ", "'x'"),
        ("export 1: port: ", "0"),
        ("export 3: endpoints: ", "'10.0.0.1'"),
        ("export 3: endpoints: ", "10.0.0.3:0"),
        ("export 3: endpoints: ", "'b:c'"),
        ("export 3: allow-identities: ", "'web'"),
        ("export 3: allow-identities: ", "'api'"),
    ):
        assert [line for line in lines if line.startswith(place) and what in line], (place, what)
    assert not [line for line in lines if line.startswith("export 2")]


def test_the_same_service_and_port_twice_is_a_mistake_even_if_written_otherwise() -> None:
    assert mistakes_in_routes(export() + export(service=f'"{SERVICE.upper()}"')) == [
        f"{SERVICE}:9898 stands there twice"
    ]
    assert len(read_routes(export() + export(port="80")).routes) == 2


@pytest.mark.parametrize("listen", ["127.0.0.1:7001", ":7001", "[::1]:7001", "127.0.0.1:0"])
def test_no_target_takes_the_place_of_another_silently(listen: str) -> None:
    twice = target(listen=f'"{listen}"') + target(
        listen=f'"{listen}"', service='"api.test.svc.cluster.local"'
    )
    assert mistakes_in_targets(twice) == [f"{listen} stands there twice"]


@pytest.mark.parametrize(
    "text",
    [
        "[[export]",
        "export",
        "a = 1\na = 2",
        'a = "',
        "\0",
        "a = " + "[" * 3000,
        "port = 1" + "0" * 5000,
        "a = 1\n[a]\nb = 1",
    ],
    ids=lambda text: text[:12],
)
def test_what_is_not_toml_is_said_to_be_none(text: str) -> None:
    for (line,) in (mistakes_in_routes(text), mistakes_in_targets(text)):
        assert line.startswith("it is not TOML: ")


@pytest.mark.parametrize(
    "text", ["export = 1", "export = []\n[export.a]", "[export]", "export = [1]", "export = [[]]"]
)
def test_exports_are_a_list_of_tables(text: str) -> None:
    (line,) = mistakes_in_routes(text)
    assert line == "export is written as [[export]], once for each" or line.startswith("it is not TOML")


def test_a_file_may_offer_nothing() -> None:
    assert not read_routes("").routes
    assert not read_routes("export = []").routes
    assert not read_targets("# nothing yet").targets


@given(st.text(max_size=200))
def test_any_text_is_a_table_or_an_invalid_file(text: str) -> None:
    for read in (read_routes, read_targets):
        with suppress(InvalidFile):  # nothing else may come out
            read(text)


LABEL = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,12}[a-z0-9])?", fullmatch=True)


@given(LABEL, LABEL, LABEL, st.integers(1, 65535))
def test_whatever_a_targets_file_takes_a_gateway_can_read(
    name: str, space: str, cluster: str, port: int
) -> None:
    text = target(service=f'"{name}.{space}.svc.cluster.local"', port=str(port), cluster=f'"{cluster}"')
    (one,) = read_targets(text).targets.values()
    opening = Opening(one.service, one.port, "0" * 32, one.cluster)
    assert read_opening(opening.encode().payload) == opening
