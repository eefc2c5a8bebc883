from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cluster.kinds import SERVICE_ACCOUNT
from cluster.local.refusals import BadRequest, Forbidden, Invalid
from cluster.local.store import Store
from cluster.local.tokens import ISSUER, Authority, NotAuthentic
from cluster.metadata import Key, Raw

NOW = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
ACCOUNT: Raw = {"metadata": {"name": "app", "namespace": "test", "uid": "u-1"}}


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture(name="clock")
def clock_fixture() -> Clock:
    return Clock()


@pytest.fixture(name="authority")
def authority_fixture(clock: Clock) -> Authority:
    store = Store()
    store.put(SERVICE_ACCOUNT, Key("test", "app"), ACCOUNT)
    return Authority(b"k" * 32, "the-admin", store, clock)


def token(authority: Authority, **spec: Any) -> str:
    answer = authority.request(ACCOUNT, {"spec": spec}, unique="id")
    text: str = answer["status"]["token"]
    return text


def test_a_token_stands_for_its_account(authority: Authority) -> None:
    user = authority.user(token(authority))
    assert (user.name, user.uid) == ("system:serviceaccount:test:app", "u-1")
    assert "system:serviceaccounts:test" in user.groups
    assert user.audiences == (ISSUER,)


def test_the_administrator(authority: Authority) -> None:
    assert "system:masters" in authority.user("the-admin").groups


def test_a_token_ends(authority: Authority, clock: Clock) -> None:
    given = token(authority, expirationSeconds=600)
    clock.now += timedelta(seconds=599)
    authority.user(given)
    clock.now += timedelta(seconds=1)
    with pytest.raises(NotAuthentic, match="expired"):
        authority.user(given)


def test_a_token_is_for_its_audiences(authority: Authority) -> None:
    given = token(authority, audiences=["a", "b"])
    assert authority.user(given, ["b", "c"]).audiences == ("b",)
    with pytest.raises(NotAuthentic, match="not for"):
        authority.user(given)


def test_a_token_ends_with_its_account(authority: Authority) -> None:
    given = token(authority)
    authority.store.put(
        SERVICE_ACCOUNT, Key("test", "app"), {"metadata": {**ACCOUNT["metadata"], "uid": "u-2"}}
    )
    with pytest.raises(NotAuthentic, match="no longer exists"):
        authority.user(given)
    authority.store.remove(SERVICE_ACCOUNT, Key("test", "app"))
    with pytest.raises(NotAuthentic, match="no longer exists"):
        authority.user(given)


@pytest.mark.parametrize("change", ["", "x", "a.b.c", "é", "cut", "flip", "other key"])
def test_anything_else_is_not_authentic(authority: Authority, clock: Clock, change: str) -> None:
    given = token(authority)
    head, body, signature = given.split(".")
    odd = {
        "cut": given[:-5],
        "flip": f"{head}.{body[:-2] + ('A' if body[-2] != 'A' else 'B') + body[-1]}.{signature}",
        "other key": token(Authority(b"o" * 32, "x", authority.store, clock)),
    }.get(change, change)
    with pytest.raises(NotAuthentic):
        authority.user(odd)


def test_a_review_says_who_and_for_what(authority: Authority) -> None:
    spec = {"token": token(authority, audiences=["mine"]), "audiences": ["mine", "other"]}
    status = authority.review({"spec": spec})["status"]
    assert status["authenticated"]
    assert status["user"]["username"] == "system:serviceaccount:test:app"
    assert status["audiences"] == ["mine"]


def test_a_review_of_a_bad_token_says_why(authority: Authority) -> None:
    status = authority.review({"spec": {"token": token(authority, audiences=["x"]), "audiences": ["y"]}})[
        "status"
    ]
    assert not status["authenticated"]
    assert "not for y" in status["error"]


@pytest.mark.parametrize(
    "body", [{}, {"spec": {}}, {"spec": {"token": 7}}, {"spec": {"token": "t", "audiences": "x"}}]
)
def test_a_review_of_nothing_is_refused(authority: Authority, body: Raw) -> None:
    with pytest.raises(BadRequest):
        authority.review(body)


def test_the_answer_to_a_request_says_when_it_ends(authority: Authority) -> None:
    answer = authority.request(ACCOUNT, {"spec": {"expirationSeconds": 2592000}}, unique="id")
    assert answer["status"]["expirationTimestamp"] == "2026-05-31T12:00:00Z"


@pytest.mark.parametrize("seconds", [599, 2**32 + 1, "600", -1], ids=repr)
def test_too_short_and_too_long_are_refused(authority: Authority, seconds: object) -> None:
    with pytest.raises(Invalid, match="expirationSeconds"):
        token(authority, expirationSeconds=seconds)


def test_a_token_bound_to_a_pod_is_refused(authority: Authority) -> None:
    with pytest.raises(Forbidden, match="boundObjectRef"):
        token(authority, boundObjectRef={"kind": "Pod", "name": "p"})


def test_secrets_are_not_shown(authority: Authority) -> None:
    assert "the-admin" not in repr(authority)
