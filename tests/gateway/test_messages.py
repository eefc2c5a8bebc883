"""Payloads at their bounds: nothing but ProtocolViolation, and nothing written that cannot be read."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.frames import Decoder, Frame, FrameType
from gateway.messages import (
    Opening,
    Refusal,
    goaway_frame,
    read_goaway,
    read_opening,
    read_refusal,
    read_reset,
    reset_frame,
)
from gateway.refusals import ProtocolViolation, Reason

ID = "0123456789abcdef0123456789abcdef"
LABEL = "a" * 63


def opening(**changes: object) -> bytes:
    body: dict[str, object] = {"service": "podinfo.test.svc.cluster.local", "port": 9898, "id": ID} | changes
    return json.dumps(body).encode()


def through_the_wire(frame: Frame) -> Frame:
    """What the other end's decoder makes of *frame*."""
    (came,) = Decoder().decode(memoryview(frame.encode()))
    assert isinstance(came, Frame)
    return came


@pytest.mark.parametrize("depth", [*range(1, 12), *range(100, 2040, 97)])
@pytest.mark.parametrize("brackets", ["[]", "{}"])
def test_deep_nesting_is_a_violation_at_every_depth(depth: int, brackets: str) -> None:
    begin, end = ("[", "]") if brackets == "[]" else ('{"x":', "}")
    payload = f'{{"x":{begin * depth}{"1" if brackets == "{}" else ""}{end * depth}}}'
    if depth == 1:
        with pytest.raises(ProtocolViolation, match="service"):
            read_opening(payload.encode())
    else:
        with pytest.raises(ProtocolViolation, match="JSON"):
            read_opening(payload.encode())


def test_nesting_of_two_is_taken_in_keys_that_are_ignored() -> None:
    assert read_opening(opening(labels={"a": "b"}, hops=["x", 1, None], weight=1.5)).port == 9898


@pytest.mark.parametrize(
    "service",
    [
        f"{LABEL}.{LABEL}.{LABEL}.{'a' * 61}",
        f"{LABEL}.b",
        "a.b",
        "0-0.1.svc",
    ],
)
def test_the_longest_and_the_shortest_names_are_taken(service: str) -> None:
    assert read_opening(opening(service=service)).service == service
    assert read_opening(opening(service=service.upper())).service == service


@pytest.mark.parametrize(
    "service",
    [
        f"{LABEL}.{LABEL}.{LABEL}.{'a' * 62}",
        f"{LABEL}a.b",
        "a..b",
        ".a.b",
        "-a.b",
        "a-.b",
        "a.b\n",
        "a_b.c",
        "a b.c",
        "\u212aube.test.svc",  # the Kelvin sign, whose lower case is the letter k
        "caf\u00e9.test.svc",
        "\u0430.test.svc",  # a Cyrillic letter that looks like an a
        "",
        None,
        7,
        ["a.b"],
    ],
)
def test_names_that_no_service_has_are_refused(service: object) -> None:
    with pytest.raises(ProtocolViolation, match="OPEN: service"):
        read_opening(opening(service=service))


@pytest.mark.parametrize("port", [-1, 0, 65536, 1e400, 1.0, True, False, None, "80", [80], {"port": 80}])
def test_ports_that_are_none_are_refused(port: object) -> None:
    with pytest.raises(ProtocolViolation):
        read_opening(opening(port=port))


@pytest.mark.parametrize("identifier", [ID[1:], ID + "0", ID.upper(), ID[:-1] + "g", ID + "\n", 1, None])
def test_ids_that_are_no_128_bits_in_hex_are_refused(identifier: object) -> None:
    with pytest.raises(ProtocolViolation, match="OPEN: id"):
        read_opening(opening(id=identifier))


@pytest.mark.parametrize(
    "cluster", ["e" * 254, "-east", "east-", "ea st", "\u00e9ast", "east\n", None, 1, {}]
)
def test_names_that_no_cluster_has_are_refused(cluster: object) -> None:
    with pytest.raises(ProtocolViolation, match="OPEN: cluster"):
        read_opening(opening(cluster=cluster))


def test_a_claim_keeps_what_we_know_and_cannot_be_changed() -> None:
    source = read_opening(opening(source={"ip": "10.0.0.1", "colour": 7, "pod": "p" * 253})).source
    assert source == {"ip": "10.0.0.1", "pod": "p" * 253}
    with pytest.raises(TypeError):
        source["ip"] = "10.0.0.2"  # type: ignore[index]  # a Mapping has no such method


@pytest.mark.parametrize("source", [None, [], "ip", {"ip": None}, {"pod": "p" * 254}, {"namespace": True}])
def test_claims_that_are_no_short_texts_are_refused(source: object) -> None:
    with pytest.raises(ProtocolViolation, match="OPEN: source"):
        read_opening(opening(source=source))


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"{",
        b"{}{}",
        b"{'a': 1}",
        b'{"a":1,}',
        b"\xef\xbb\xbf{}",  # a byte order mark
        '{"a":1}'.encode("utf-16"),
        b'{"a":"\xc0\x80"}',  # NUL, encoded too long
        b'{"a":"\xed\xa0\x80"}',  # a surrogate in UTF-8
        b'{"a":"\\udc00"}',
        b'{"\\ud800":1}',
        b'{"a":"\x01"}',
        b'{"a":NaN}',
        b'{"a":-Infinity}',
        b'{"a":[NaN]}',
        b'{"a":1,"a":1}',
        b'{"a":{"b":1,"b":2}}',
        b'{"a":1,"\\u0061":2}',
        b'{"a":' + b"9" * 5000 + b"}",
    ],
)
def test_what_is_no_proper_json_object_is_refused_by_all_readers(payload: bytes) -> None:
    for read in (read_opening, read_refusal, read_reset):
        with pytest.raises(ProtocolViolation, match="a payload that"):
            read(payload)


CLAIMS = st.dictionaries(
    st.sampled_from(["ip", "namespace", "serviceAccount", "pod"]),
    st.text(st.characters(codec="utf-8"), max_size=40),
)
NAMES = st.from_regex(
    r"[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?){1,6}", fullmatch=True
)


@given(NAMES, st.integers(1, 65535), st.from_regex(r"[0-9a-f]{32}", fullmatch=True), CLAIMS)
def test_every_opening_is_read_as_it_was_written(
    service: str, port: int, identifier: str, source: dict[str, str]
) -> None:
    wanted = Opening(service, port, identifier, "east", source)
    assert read_opening(through_the_wire(wanted.encode()).payload) == wanted


@given(st.sampled_from(Reason), st.text(max_size=20))
def test_every_refusal_reaches_the_other_end(reason: Reason, some: str) -> None:
    for message in (some, some * 500):
        read = read_refusal(through_the_wire(Refusal(reason, message).encode()).payload)
        assert read.reason is reason
        assert some.isascii() is False or message.startswith(read.message)


@pytest.mark.parametrize("letter", ["x", "\0", '"', "\u00e9", "\U0001f512", "\ud800"])
def test_a_long_message_is_cut_and_never_makes_a_frame_that_is_refused(letter: str) -> None:
    frame = through_the_wire(Refusal(Reason.BACKEND_UNREACHABLE, letter * 5000).encode())
    assert len(frame.payload) <= 4096
    assert len(read_refusal(frame.payload).message) >= 500


@pytest.mark.parametrize("message", [None, 1, ["x"], {"a": "b"}])
def test_a_message_that_is_no_text_is_refused(message: object) -> None:
    with pytest.raises(ProtocolViolation, match="REFUSED"):
        read_refusal(json.dumps({"reason": "limit", "message": message}).encode())


def test_a_refusal_need_not_say_more_than_its_reason() -> None:
    assert read_refusal(b'{"reason":"limit"}') == Refusal(Reason.LIMIT, "")


@pytest.mark.parametrize("reason", ["", "LIMIT", "limit ", "of_a_later_version", "\u0000"])
def test_a_reason_that_we_do_not_know_reads_as_internal(reason: str) -> None:
    payload = json.dumps({"reason": reason}).encode()
    assert read_reset(payload) is Reason.INTERNAL
    assert read_refusal(payload).reason is Reason.INTERNAL


@pytest.mark.parametrize("reason", [None, 1, True, ["limit"], {"limit": 1}])
def test_a_reason_that_is_no_text_is_refused(reason: object) -> None:
    for read in (read_reset, read_refusal):
        with pytest.raises(ProtocolViolation, match="reason"):
            read(json.dumps({"reason": reason}).encode())


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_can_be_given_in_a_reset(reason: Reason) -> None:
    assert read_reset(through_the_wire(reset_frame(reason)).payload) is reason


@given(st.integers(0, 2**64 - 1))
def test_goaway_says_how_many(opens: int) -> None:
    frame = through_the_wire(goaway_frame(opens))
    assert frame.type is FrameType.GOAWAY
    assert read_goaway(frame.payload) == opens
