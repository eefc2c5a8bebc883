"""Who may use a route: nobody by accident."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certs.identity import Identity
from gateway.policy import matches, may_use
from gateway.routes import Route

WEB = "web.test.serviceaccount.identity.jackstay.cluster.local"
TEST = WEB.partition(".")[2]
LABEL = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?", fullmatch=True).filter(
    lambda label: label[:4] != "xn--"
)
IDENTITY = st.builds(Identity, LABEL, LABEL, LABEL, LABEL).map(lambda identity: identity.dns_name)


def route(*allow: str) -> Route:
    return Route("podinfo.test.svc.cluster.local", 9898, (), allow)


@pytest.mark.parametrize(
    ("identity", "pattern"),
    [
        (WEB, f"*.web.{TEST}"),  # it stands for one label, not for none
        (f"a.{WEB}", f"*.{TEST}"),  # nor for two
        (WEB, f"*{TEST}"),
        (WEB, f"web.*.{TEST.partition('.')[2]}"),
        (WEB, f"w*.{TEST}"),
        (WEB, "*"),
        (WEB, "*."),
        (WEB, "**"),
        (WEB, ""),
        (WEB, WEB.upper()),
        (WEB.upper(), WEB),
        (WEB + ".", WEB),
        (WEB, WEB + "."),
        (WEB, f"*.{TEST}."),
        (WEB, f".{TEST}"),
        ("", f"*.{TEST}"),
        (f".{TEST}", f"*.{TEST}"),
        (TEST, f"*.{TEST}"),
        ("web", "*.web"),
        ("web", "*."),
        (WEB, WEB.replace(".", "\\.")),
        (WEB.replace(".", "x", 1), WEB),
    ],
)
def test_what_is_not_the_same_does_not_match(identity: str, pattern: str) -> None:
    assert not matches(identity, pattern)
    assert not may_use(identity, route(pattern))


@given(IDENTITY, IDENTITY)
def test_without_a_star_only_the_name_itself_matches(identity: str, pattern: str) -> None:
    assert matches(identity, pattern) is (identity == pattern)


@given(IDENTITY, IDENTITY)
def test_a_star_is_exactly_one_label(identity: str, other: str) -> None:
    rest = other.partition(".")[2]
    assert matches(identity, f"*.{rest}") is (identity.partition(".")[2] == rest)
    assert matches(f"any.{rest}", f"*.{rest}")
    assert not matches(f"one.more.{rest}", f"*.{rest}")
    assert not matches(rest, f"*.{rest}")


@given(st.text(max_size=20), st.text(max_size=20))
def test_a_star_matches_no_text_without_a_dot_in_it(identity: str, rest: str) -> None:
    if matches(identity, f"*.{rest}"):
        label, dot, after = identity.partition(".")
        assert label
        assert dot
        assert after == rest


@given(IDENTITY, st.lists(IDENTITY, max_size=4))
def test_one_of_those_who_are_listed_may_use_a_route_and_nobody_else(
    identity: str, allowed: list[str]
) -> None:
    assert may_use(identity, route(*allowed)) is (identity in allowed)
    assert may_use(identity, route(*allowed, identity))


@given(IDENTITY)
def test_an_empty_list_is_nobody_and_no_list_is_everybody(identity: str) -> None:
    assert not may_use(identity, route())
    assert may_use(identity, Route("podinfo.test.svc.cluster.local", 9898, ()))
