import base64
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certs.account_token import MOST, AccountToken, InvalidToken, parse, read
from certs.service import AUDIENCE
from tests.support.tokens import jwt, token

SUBJECT = "system:serviceaccount:test:web"


def test_a_projected_token_says_whose_it_is(tmp_path: Path) -> None:
    text = token("test", "web")
    (tmp_path / "token").write_text(text)
    assert read(tmp_path / "token", audience=AUDIENCE) == AccountToken("test", "web", text)


def test_space_around_it_is_not_of_it() -> None:
    text = token("test", "web")
    assert parse(f"\n{text}\n".encode(), audience=AUDIENCE).text == text


@pytest.mark.parametrize("aud", [AUDIENCE, [AUDIENCE], ["another", AUDIENCE]], ids=repr)
def test_it_is_for_our_audience_perhaps_among_others(aud: object) -> None:
    assert parse(jwt({"sub": SUBJECT, "aud": aud}).encode(), audience=AUDIENCE).account == "web"


@pytest.mark.parametrize(
    "aud", [None, "", [], "another", ["https://kubernetes.default.svc"], 7, {}], ids=repr
)
def test_one_for_another_audience_is_shown_to_nobody(aud: object) -> None:
    with pytest.raises(InvalidToken, match=f"not made for audience {AUDIENCE}"):
        parse(jwt({"sub": SUBJECT, "aud": aud}).encode(), audience=AUDIENCE)


@pytest.mark.parametrize(
    "sub",
    [
        None,
        7,
        "",
        "kubernetes-admin",
        "system:node:one",
        "system:node:test:web",
        "other:serviceaccount:test:web",
        "system:serviceaccount:test",
        "system:serviceaccount:test:",
        "system:serviceaccount::web",
        "system:serviceaccount:test:web:more",
    ],
    ids=repr,
)
def test_what_is_no_service_account_s_is_refused(sub: object) -> None:
    with pytest.raises(InvalidToken, match="not that of a service account"):
        parse(jwt({"sub": sub, "aud": AUDIENCE}).encode(), audience=AUDIENCE)


def encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


WHOLE = token("test", "web")


@pytest.mark.parametrize(
    "data",
    [
        b"secret",
        b"a.b",
        b"..",
        f"{WHOLE}.x".encode(),
        WHOLE.rpartition(".")[0].encode(),
        WHOLE.replace(".", ". ", 1).encode(),
        f"Bearer {WHOLE}".encode(),
        WHOLE.encode().replace(b".", b".=", 1),
        b"\xff\xfe",
        f"a.{encoded(b'[]')}.c".encode(),
        f"a.{encoded(b'7')}.c".encode(),
        f"a.{encoded(b'{')}.c".encode(),
        f"a.{encoded(b'[' * 5000)}.c".encode(),
        f"a.{encoded(bytes([0xFF, 0xFE]))}.c".encode(),
        b"a.A.c",  # one letter is no byte
    ],
    ids=lambda data: repr(data[:20]),
)
def test_what_is_no_jwt_is_said_to_be_none_and_not_shown(data: bytes) -> None:
    with pytest.raises(InvalidToken, match="not a JWT") as refused:
        parse(data, audience=AUDIENCE)
    assert "secret" not in str(refused.value)


def test_nothing_and_too_much_are_refused() -> None:
    with pytest.raises(InvalidToken, match="empty"):
        parse(b" \n", audience=AUDIENCE)
    with pytest.raises(InvalidToken, match="are over"):
        parse(b"a." * MOST, audience=AUDIENCE)


def test_a_missing_file_is_named_with_what_should_make_it(tmp_path: Path) -> None:
    with pytest.raises(InvalidToken, match=r"token: No such file.*projected volume") as refused:
        read(tmp_path / "token", audience=AUDIENCE)
    assert str(tmp_path / "token") in str(refused.value)


def test_what_is_wrong_with_a_file_names_it(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("x")
    with pytest.raises(InvalidToken, match=r"/token: it is not a JWT"):
        read(tmp_path / "token", audience=AUDIENCE)


JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=5)


@given(st.dictionaries(st.sampled_from(["sub", "aud", "exp"]), JSON))
def test_other_claims_are_refused_and_nothing_else_is_raised(claims: dict[str, Any]) -> None:
    with pytest.raises(InvalidToken):
        parse(jwt(json.loads(json.dumps(claims))).encode(), audience=AUDIENCE)
