"""Good chains, and bad ones with one flaw each."""

import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Literal

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from hypothesis import strategies as st

from certs import certificate
from certs.verification import Untrusted, verify
from tests.certs.forge import (
    CLIENT,
    HOUR,
    NOW,
    SERVER,
    WEB,
    Forged,
    but,
    forge,
    having,
    without,
)

ROLES: tuple[Literal["client", "server"], ...] = ("client", "server")


@pytest.mark.parametrize(("purpose", "role"), [(CLIENT, "server"), (SERVER, "client")])
@pytest.mark.parametrize("part", ["leaf", "issuer"])
def test_a_certificate_for_the_one_role_is_none_for_the_other(
    part: str, purpose: x509.ObjectIdentifier, role: Literal["client", "server"]
) -> None:
    change = having(x509.ExtendedKeyUsage([purpose]))
    made = forge(leaf=change) if part == "leaf" else forge(issuer=change)
    verify(made.chain, made.bundle, role="client" if role == "server" else "server", at=NOW)
    with pytest.raises(Untrusted):
        verify(made.chain, made.bundle, role=role, at=NOW)


def refused(chain: list[bytes], made: Forged) -> str:
    with pytest.raises(Untrusted) as untrusted:
        verify(chain, made.bundle, role="client", at=NOW)
    return str(untrusted.value)


def test_what_does_not_come_from_the_anchors_is_refused() -> None:
    ours, theirs = forge(), forge()
    assert "no trust anchor vouches" in refused(theirs.chain, ours)
    assert "no trust anchor vouches" in refused([ours.chain[0], theirs.chain[1]], ours)
    assert "no trust anchor vouches" in refused(ours.chain[:1], ours)


def test_a_root_sent_along_is_no_flaw_and_no_reason() -> None:
    ours, theirs = forge(root=without(x509.KeyUsage)), forge(root=without(x509.KeyUsage))
    root = ours.root.public_bytes(Encoding.DER)
    assert verify([*ours.chain, root], ours.bundle, role="client", at=NOW).identity == WEB.dns_name
    assert "no trust anchor vouches" in refused([*ours.chain, root], theirs)


def test_no_certificate_is_no_peer() -> None:
    assert "no certificate" in refused([], forge())


def test_an_authority_in_the_place_of_the_leaf_is_refused() -> None:
    made = forge()
    refused(made.chain[1:], made)


def test_more_than_16_kib_are_not_even_read() -> None:
    made = forge()
    assert "16384" in refused([*made.chain, b"x" * 16384], made)


@pytest.mark.parametrize("position", [0, 1])
def test_a_certificate_that_is_none_is_refused(position: int) -> None:
    made = forge()
    whole = made.chain[position]
    no_text = whole.replace(b"issuer 0", b"issuer\xff\xfe")
    for broken in (b"", b"\x30", whole[:-1], whole + b"\0", no_text):
        chain = made.chain
        chain[position] = broken
        assert "cannot be read" in refused(chain, made)


def test_a_chain_may_end_at_any_of_several_anchors() -> None:
    old, new = forge(), forge()
    both = type(old.bundle).from_pem(old.bundle.pem + new.bundle.pem)
    for made in (old, new):
        assert verify(made.chain, both, role="client", at=NOW).identity == WEB.dns_name


def test_the_peer_lives_as_long_as_the_shortest_of_its_chain() -> None:
    made = forge(leaf=but(end=NOW + 3 * HOUR), issuer=but(end=NOW + 2 * HOUR), root=but(end=NOW + 4 * HOUR))
    assert verify(made.chain, made.bundle, role="client", at=NOW).not_after == NOW + 2 * HOUR


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_no_changed_byte_of_a_leaf_is_taken() -> None:
    made = forge()
    leaf, *issuers = made.chain
    for position in range(len(leaf)):
        for bit in (0x01, 0x20, 0x80):
            changed = bytearray(leaf)
            changed[position] ^= bit
            refused([bytes(changed), *issuers], made)


def test_a_signature_whose_last_bits_do_not_count_is_refused() -> None:
    """No signature covers that number, so the same certificate would have several forms."""
    made = forge()
    # Every other signature ends in a bit that is 0, which may be said not to count.
    while (signature := made.certificates[0].signature)[-1] & 1:
        made = forge()
    leaf, *issuers = made.chain
    changed = leaf.removesuffix(b"\0" + signature) + b"\1" + signature
    assert "whole bytes" in refused([changed, *issuers], made)


GARBAGE_UNDER = forge()


@pytest.mark.filterwarnings("ignore::UserWarning")
@settings(deadline=None)
@given(st.binary(max_size=200))
def test_garbage_in_the_place_of_a_certificate_is_refused(data: bytes) -> None:
    refused([data, GARBAGE_UNDER.chain[1]], GARBAGE_UNDER)
    refused([GARBAGE_UNDER.chain[0], data], GARBAGE_UNDER)


def test_what_a_stranger_sends_writes_nothing_on_stderr() -> None:
    """A serial number of 0 is a warning of the library, which would break a JSON log."""
    made = forge()
    leaf = made.chain[0]
    at = leaf.index(made.certificates[0].serial_number.to_bytes(20))
    changed = leaf[:at] + bytes(19) + b"\1" + leaf[at + 20 :]
    negative = leaf[:at] + b"\x80" + leaf[at + 1 :]
    program = "import sys, certs.certificate as c\nfor der in sys.argv[1:]: c.parse(bytes.fromhex(der))"
    ran = subprocess.run(
        [sys.executable, "-c", program, changed.hex(), negative.hex()],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        check=False,
    )
    assert b"Warning" not in ran.stderr


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_serial_number_that_is_not_positive_is_refused() -> None:
    made = forge()
    leaf = bytearray(made.chain[0])
    leaf[leaf.index(made.certificates[0].serial_number.to_bytes(20))] |= 0x80
    assert "serial number" in refused([bytes(leaf), *made.chain[1:]], made)


def test_a_curve_spelled_out_is_refused_although_it_looks_like_a_known_one(tmp_path: Path) -> None:
    for line in (
        "ecparam -name prime256v1 -param_enc explicit -genkey -noout -out key.pem",
        "req -x509 -new -key key.pem -subj /CN=root -days 3 -outform DER -out root.der",
    ):
        subprocess.run(["openssl", *line.split()], cwd=tmp_path, check=True, capture_output=True)
    read = certificate.parse((tmp_path / "root.der").read_bytes())
    certificate.check_key(read.public_key())  # the library sees P-256
    with pytest.raises(certificate.InvalidCertificate, match="unusual form"):
        certificate.check_anchor(read)


def test_who_has_expired_within_this_second_has_expired() -> None:
    made = forge(leaf=but(end=NOW))
    with pytest.raises(Untrusted, match="leaf is not valid now"):
        verify(made.chain, made.bundle, role="client", at=NOW + timedelta(microseconds=1))
