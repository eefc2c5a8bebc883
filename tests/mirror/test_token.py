"""What a token says of itself, and when the next one is asked for."""

import base64
import json
from datetime import UTC, datetime, timedelta

import pytest

from mirror.token import Lifetime, exchanged, lifetime

BEGINS = datetime(2026, 11, 23, 12, tzinfo=UTC)
CLAIMS = {
    "sub": "system:serviceaccount:jackstay:jackstay-remote-access",
    "iat": int(BEGINS.timestamp()),
    "exp": int((BEGINS + timedelta(hours=1)).timestamp()),
}


def jwt(claims: object) -> str:
    header, payload = ({"alg": "RS256"}, claims)
    parts = (json.dumps(part).encode() for part in (header, payload))
    return ".".join([*(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts), "c2ln"])


def test_a_service_account_s_token_is_renewed_at_half_its_life() -> None:
    found = lifetime(jwt(CLAIMS))
    assert found == Lifetime("jackstay", "jackstay-remote-access", BEGINS, BEGINS + timedelta(hours=1))
    assert found.renewed_at == BEGINS + timedelta(minutes=30)
    assert found.left(BEGINS + timedelta(minutes=50)) == timedelta(minutes=10)


@pytest.mark.parametrize(
    "token",
    [
        "",
        "opaque",
        "a.b.c",
        "a.b.c.d",
        "x." + base64.urlsafe_b64encode(b"[" * 100_000).decode() + ".y",
        jwt([]),
        jwt({**CLAIMS, "sub": "system:node:east"}),
        jwt({**CLAIMS, "sub": "system:serviceaccount::x"}),
        jwt({**CLAIMS, "sub": 7}),
        jwt({**CLAIMS, "exp": "soon"}),
        jwt({**CLAIMS, "exp": 10**30}),
        jwt({key: value for key, value in CLAIMS.items() if key != "exp"}),
        jwt({key: value for key, value in CLAIMS.items() if key != "iat"}),
        jwt({**CLAIMS, "exp": CLAIMS["iat"]}),
    ],
)
def test_what_is_no_such_token_is_left_alone(token: str) -> None:
    assert lifetime(token) is None


def test_only_the_token_is_exchanged() -> None:
    kubeconfig = b"# by hand\nusers:\n- user: {token: old}\n  name: me\n"
    assert exchanged(kubeconfig, "old", "new") == b"# by hand\nusers:\n- user: {token: new}\n  name: me\n"


@pytest.mark.parametrize("kubeconfig", [b"", b"token: >\n  o\n  ld", b"token: old\nname: old"])
def test_a_token_that_stands_there_otherwise_is_not_exchanged(kubeconfig: bytes) -> None:
    with pytest.raises(ValueError, match="once and in one piece"):
        exchanged(kubeconfig, "old", "new")
