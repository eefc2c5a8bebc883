"""Good chains, and bad ones with one flaw each."""

import subprocess
import sys
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given, settings
from hypothesis import strategies as st

from certs.identity import Identity
from certs.verification import Untrusted, verify
from tests.certs.forge import (
    CLIENT,
    HOUR,
    NOW,
    SERVER,
    WEB,
    Forged,
    but,
    dns,
    forge,
    having,
    named,
    usage,
    without,
)
from tests.certs.table.names import NAMES

ROLES: tuple[Literal["client", "server"], ...] = ("client", "server")
LONG = Identity("linkerd-gateway", "linkerd-multicluster", "linkerd", "cluster.local")
SECOND = timedelta(seconds=1)


@dataclass(frozen=True)
class Case:
    """A chain by what is forged in it, and a part of the sentence that refuses it."""

    name: str
    said: str = ""
    forged: dict[str, Any] = field(default_factory=dict)


def bad(name: str, said: str, **forged: Any) -> Case:
    return Case(name, said, forged)


def good(name: str, **forged: Any) -> Case:
    return Case(name, "", forged)


RSA = {bits: rsa.generate_private_key(65537, bits) for bits in (1024, 2048)}
P384, P521 = (ec.generate_private_key(curve) for curve in (ec.SECP384R1(), ec.SECP521R1()))

GOOD = [
    good("as we make them"),
    good("no issuer between", issuers=0),
    good("three issuers", issuers=3),
    good("four issuers, five certificates", issuers=4),
    good("a root as `openssl req -x509` makes it", root=without(x509.KeyUsage)),
    good("a root without key identifier", root=but(key_identifiers=False)),
    good(
        "a root whose basic constraints are not critical",
        root=having(x509.BasicConstraints(True, None)),
    ),
    good("a leaf without key usage", leaf=without(x509.KeyUsage)),
    good("a leaf without basic constraints", leaf=without(x509.BasicConstraints)),
    good("a DNS name alone", leaf=named(dns(WEB.dns_name))),
    good("82 characters", leaf=named(dns(LONG.dns_name))),
    good("an RSA 2048 root", root=but(key=RSA[2048])),
    good("an RSA 2048 issuer", issuer=but(key=RSA[2048])),
    good("a P-384 root", root=but(key=P384, digest=hashes.SHA512())),
    good("a P-384 leaf", leaf=but(key=P384)),
    good("a root with a path length that fits", root=having(x509.BasicConstraints(True, 1), critical=True)),
    good("an issuer with path length 0", issuer=having(x509.BasicConstraints(True, 0), critical=True)),
    good(
        "an issuer bound to the leaf's domain",
        issuer=having(x509.NameConstraints([dns("cluster.local")], None), critical=True),
    ),
    good("an issuer for clients and servers", issuer=having(x509.ExtendedKeyUsage([SERVER, CLIENT]))),
    good(
        "a common name beside, not critical",
        leaf=lambda d: but(subject="anybody")(having(d.extensions[x509.SubjectAlternativeName][0])(d)),
    ),
    good("its last second", leaf=but(end=NOW)),
    good("its first second", leaf=but(begin=NOW)),
]


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("case", GOOD, ids=lambda case: case.name)
def test_a_good_chain_is_taken(case: Case, role: Literal["client", "server"]) -> None:
    made = forge(**case.forged)
    peer = verify(made.chain, made.bundle, role=role, at=NOW)
    assert peer.identity in (WEB.dns_name, LONG.dns_name)
    assert peer.chain == tuple(made.chain)
    assert peer.not_after <= made.certificates[0].not_valid_after_utc


BAD = [
    *(
        bad(
            f"name: {name}",
            "is not|it carries|two different things|can look like|over 253",
            leaf=named(*names),
        )
        for name, names in NAMES.items()
    ),
    bad("no subject alternative name", "names nobody", leaf=without(x509.SubjectAlternativeName)),
    bad(
        "common name only",
        "names nobody",
        leaf=lambda d: but(subject="web.test")(without(x509.SubjectAlternativeName)(d)),
    ),
    bad(
        "empty subject, names not critical",
        "critical",
        leaf=having(x509.SubjectAlternativeName([dns(WEB.dns_name)])),
    ),
    bad("leaf expired by a second", "leaf is not valid now", leaf=but(end=NOW - SECOND)),
    bad("leaf valid in a second", "leaf is not valid now", leaf=but(begin=NOW + SECOND)),
    bad("issuer expired", "issuer is not valid now", issuer=but(end=NOW - SECOND)),
    bad("issuer not yet valid", "issuer is not valid now", issuer=but(begin=NOW + SECOND)),
    bad("root expired", "trust anchor, or", root=but(end=NOW - SECOND)),
    bad("root not yet valid", "trust anchor, or", root=but(begin=NOW + SECOND)),
    bad("leaf without extended key usage", "Auth is missing", leaf=without(x509.ExtendedKeyUsage)),
    bad(
        "leaf for mail",
        "Auth is missing",
        leaf=having(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION])),
    ),
    bad(
        "leaf for anything",
        "Auth is missing",
        leaf=having(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE])),
    ),
    bad(
        "leaf for anything too",
        "allows everything",
        leaf=having(x509.ExtendedKeyUsage([CLIENT, SERVER, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE])),
    ),
    bad("leaf is an authority", "authority's", leaf=having(x509.BasicConstraints(True, None), critical=True)),
    bad(
        "leaf may sign certificates",
        "signing",
        leaf=having(usage("digital_signature", "key_cert_sign"), critical=True),
    ),
    bad("leaf may only agree on keys", "digital sig", leaf=having(usage("key_agreement"), critical=True)),
    bad("leaf without key identifiers", "authorityKeyIdentifier", leaf=but(key_identifiers=False)),
    bad(
        "leaf with a critical authority key identifier",
        "critical",
        leaf=having(x509.AuthorityKeyIdentifier(b"a" * 20, None, None), critical=True),
    ),
    bad(
        "leaf with an unknown critical extension",
        "critical",
        leaf=having(x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\0"), critical=True),
    ),
    bad("RSA 1024 leaf", "RSA 1024", leaf=but(key=RSA[1024])),
    bad("RSA 1024 issuer", "RSA 1024", issuer=but(key=RSA[1024])),
    bad("P-521 leaf", "key is", leaf=but(key=P521)),
    bad("P-521 issuer", "key is", issuer=but(key=P521)),
    bad("P-224 leaf", "secp224r1", leaf=but(key=ec.generate_private_key(ec.SECP224R1()))),
    bad("Ed25519 leaf", "Ed25519", leaf=but(key=ed25519.Ed25519PrivateKey.generate())),
    bad("Ed25519 issuer", "ed25519", issuer=but(key=ed25519.Ed25519PrivateKey.generate(), digest=None)),
    bad("SHA-224", "SHA224", issuer=but(digest=hashes.SHA224())),
    bad(
        "issuer is no authority",
        "not an authority",
        issuer=having(x509.BasicConstraints(False, None), critical=True),
    ),
    bad("issuer without basic constraints", "not an authority", issuer=without(x509.BasicConstraints)),
    bad(
        "issuer's basic constraints not critical",
        "not marked critical",
        issuer=having(x509.BasicConstraints(True, None)),
    ),
    bad("issuer without key usage", "keyCertSign", issuer=without(x509.KeyUsage)),
    bad(
        "issuer may not sign certificates",
        "keyCertSign",
        issuer=having(usage("digital_signature", "crl_sign"), critical=True),
    ),
    bad("issuer without key identifiers", "authorityKeyIdentifier", issuer=but(key_identifiers=False)),
    bad(
        "issuer for mail",
        "vouch for a",
        issuer=having(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION])),
    ),
    bad(
        "issuer with an unknown critical extension",
        "critical",
        issuer=having(x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\0"), critical=True),
    ),
    bad("path length of the root", "path length", root=having(x509.BasicConstraints(True, 0), critical=True)),
    bad(
        "path length of an issuer",
        "path length",
        issuer=having(x509.BasicConstraints(True, 0), critical=True),
        issuers=2,
    ),
    bad("five issuers", "over 5", issuers=5),
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
    bad("issuer named otherwise than the leaf says", "no trust anchor", leaf=but(signer_name="somebody")),
    bad(
        "leaf of another key of the same name",
        "another key",
        leaf=having(x509.AuthorityKeyIdentifier(b"another key of 20 b.", None, None)),
    ),
]


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("case", BAD, ids=lambda case: case.name)
def test_a_bad_chain_is_refused_with_the_reason(case: Case, role: Literal["client", "server"]) -> None:
    made = forge(**case.forged)
    with pytest.raises(Untrusted, match=case.said) as refused:
        verify(made.chain, made.bundle, role=role, at=NOW)
    assert refused.value.reason == "untrusted"
    assert "\n" not in str(refused.value)


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
