"""What one verifier or both let pass, and we do not; each is taken when its one flaw is removed."""

from collections.abc import Callable, Sequence
from typing import Literal

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from certs.certificate import InvalidCertificate, check_key
from certs.der import inside, split
from certs.trust_bundle import InvalidTrustBundle, TrustBundle
from certs.verification import Untrusted, verify
from tests.certs.der import (
    ALGORITHM,
    KEY,
    SERIAL,
    VALIDITY,
    edited,
    element,
    integer,
    replaced,
    sequence,
    with_extensions,
)
from tests.certs.forge import (
    CLIENT,
    NOW,
    SERVER,
    WEB,
    Forged,
    but,
    dns,
    forge,
    having,
    new_key,
    usage,
)

ROLES: tuple[Literal["client", "server"], ...] = ("client", "server")
ROOT_KEY, ISSUER_KEY = new_key(), new_key()
Fields = Callable[[list[bytes]], Sequence[bytes]]


def made() -> Forged:
    return forge(root=but(key=ROOT_KEY), issuer=but(key=ISSUER_KEY))


def leaf_with(change: Fields, algorithm: Callable[[bytes], bytes] = lambda same: same) -> list[bytes]:
    chain = MADE.chain
    return [edited(chain[0], ISSUER_KEY, change, algorithm=algorithm), chain[1]]


def issuer_with(change: Fields) -> list[bytes]:
    chain = MADE.chain
    return [chain[0], edited(chain[1], ROOT_KEY, change)]


def said(chain: list[bytes], under: Forged, role: Literal["client", "server"] = "client") -> str:
    with pytest.raises(Untrusted) as refused:
        verify(chain, under.bundle, role=role, at=NOW)
    return str(refused.value)


MADE = made()

P = 2**256 - 2**224 + 2**192 + 2**96 - 1
B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
X = 0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296
Y = 0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5


def explicit_curve(key: bytes) -> bytes:
    """P-256 by its numbers (CVE-2022-0778) instead of its name."""
    algorithm, point = split(inside(key))
    oid, _ = split(inside(algorithm))
    parameters = sequence(
        integer(1),
        sequence(bytes.fromhex("06072A8648CE3D0101"), integer(P)),
        sequence(element(4, (P - 3).to_bytes(32)), element(4, B.to_bytes(32))),
        element(4, b"\4" + X.to_bytes(32) + Y.to_bytes(32)),
        integer(N),
        integer(1),
    )
    return sequence(sequence(oid, parameters), point)


def point_as(key: bytes, first: int, size: int) -> bytes:
    algorithm, point = split(inside(key))
    raw = inside(point)[2:]
    return sequence(algorithm, element(3, b"\0", bytes([first + (raw[-1] & 1)]), raw[:size]))


SHA384_ECDSA = sequence(bytes.fromhex("06082A8648CE3D040303"))
NETSCAPE, PROXY, ADDRESSES, CONSTRAINTS, AUTHORITY = (
    bytes.fromhex(oid)
    for oid in (
        "06096086480186F8420101",
        "06082B0601050507010E",
        "06082B06010505070107",
        "0603551D1E",
        "0603551D23",
    )
)


def extended(oid: bytes, value: bytes, *, critical: bool = False) -> Fields:
    """With one more extension."""
    mark = [b"\1\1\xff"] if critical else []
    return with_extensions(lambda all_: [*all_, sequence(oid, *mark, element(4, value))])


def authority_as(name: str, serial: int) -> Fields:
    """The authority key identifier with the signer's issuer and serial number in it."""
    common = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    identifier = x509.SubjectKeyIdentifier.from_public_key(ISSUER_KEY.public_key()).digest
    value = x509.AuthorityKeyIdentifier(identifier, [x509.DirectoryName(common)], serial).public_bytes()
    own = sequence(AUTHORITY, element(4, value))
    return with_extensions(lambda all_: [*(one for one in all_ if AUTHORITY not in one), own])


def constrained(*bounds: bytes) -> bytes:
    return sequence(element(0xA0, sequence(element(0x82, b"cluster.local"), *bounds)))


SIGNER = MADE.certificates[1].serial_number

BAD = {
    "explicit curve": (leaf_with(lambda t: replaced(t, KEY, explicit_curve(t[KEY]))), "plain form"),
    "explicit curve of an issuer": (
        issuer_with(lambda t: replaced(t, KEY, explicit_curve(t[KEY]))),
        "plain form",
    ),
    "compressed point": (leaf_with(lambda t: replaced(t, KEY, point_as(t[KEY], 2, 32))), "plain form"),
    "hybrid point": (leaf_with(lambda t: replaced(t, KEY, point_as(t[KEY], 6, 64))), "plain form"),
    "negative serial": (leaf_with(lambda t: replaced(t, SERIAL, integer(-5))), "not positive"),
    "serial 0": (leaf_with(lambda t: replaced(t, SERIAL, integer(0))), "not positive"),
    "serial of 21 bytes": (leaf_with(lambda t: replaced(t, SERIAL, integer(1 << 160))), "20 bytes"),
    "serial of 21 bytes, the first 0": (
        leaf_with(lambda t: replaced(t, SERIAL, integer(1 << 159))),
        "20 bytes",
    ),
    "serial of an issuer of 21 bytes": (
        issuer_with(lambda t: replaced(t, SERIAL, integer(1 << 160))),
        "issuer: its serial number is longer",
    ),
    "duplicate extension": (leaf_with(with_extensions(lambda e: [*e, e[0]])), "Duplicate"),
    "another algorithm inside": (leaf_with(lambda t: replaced(t, ALGORITHM, SHA384_ECDSA)), "mismatch"),
    "another algorithm outside": (leaf_with(lambda t: t, lambda _: SHA384_ECDSA), "mismatch"),
    "a unique identifier": (leaf_with(lambda t: [*t[:7], element(0x81, b"\0x"), t[7]]), "unique identifier"),
    "version 2": (leaf_with(lambda t: [element(0xA0, integer(1)), *t[1:]]), "version"),
    "version 1": (leaf_with(lambda t: t[1:7]), "names nobody"),
    "GeneralizedTime before 2050": (
        leaf_with(
            lambda t: replaced(
                t,
                VALIDITY,
                sequence(*(element(0x18, b"20", inside(time)) for time in split(inside(t[VALIDITY])))),
            )
        ),
        "UtcTime",
    ),
    "a Netscape type for mail": (leaf_with(extended(NETSCAPE, b"\3\2\5\x20")), "Netscape"),
    "a Netscape type that is none": (leaf_with(extended(NETSCAPE, b"\4\2\5\xff")), "Netscape"),
    "a proxy certificate": (
        leaf_with(extended(PROXY, bytes.fromhex("300C300A06082B06010505071501"))),
        "proxy",
    ),
    "for addresses": (
        leaf_with(extended(ADDRESSES, bytes.fromhex("300E300C040200013006030400 0A0000"))),
        "addresses",
    ),
    "constraints with a minimum": (
        issuer_with(extended(CONSTRAINTS, constrained(element(0x80, b"\1")), critical=True)),
        "minimum",
    ),
    "constraints with a maximum": (
        issuer_with(extended(CONSTRAINTS, constrained(element(0x81, b"\5")), critical=True)),
        "maximum",
    ),
    "the signer's serial is another": (leaf_with(authority_as("root", SIGNER + 1)), "another certificate"),
    "the signer's issuer is another": (leaf_with(authority_as("other", SIGNER)), "another certificate"),
    "bytes behind": ([MADE.chain[0] + b"\0", MADE.chain[1]], "cannot be read"),
}

GOOD = {
    "as it was": leaf_with(lambda t: t),
    "a serial of 20 bytes": leaf_with(lambda t: replaced(t, SERIAL, integer((1 << 159) - 1))),
    "a Netscape type": leaf_with(extended(NETSCAPE, b"\3\2\5\xe0")),
    "plain constraints": issuer_with(extended(CONSTRAINTS, constrained(), critical=True)),
    "the signer's name and serial": leaf_with(authority_as("root", SIGNER)),
    "an unknown extension": leaf_with(extended(bytes.fromhex("06032A0304"), b"\5\0")),
}


@pytest.mark.filterwarnings("ignore::UserWarning")  # of the library, about serial numbers
@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("name", BAD)
def test_what_is_written_otherwise_is_refused(name: str, role: Literal["client", "server"]) -> None:
    chain, why = BAD[name]
    assert why in said(chain, MADE, role)


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("name", GOOD)
def test_what_is_written_well_is_taken(name: str, role: Literal["client", "server"]) -> None:
    assert verify(GOOD[name], MADE.bundle, role=role, at=NOW).identity == WEB.dns_name


@pytest.mark.parametrize("part", ["leaf", "issuer"])
def test_an_extended_key_usage_is_neither_critical_nor_for_everything(part: str) -> None:
    any_use = x509.ExtendedKeyUsage([CLIENT, SERVER, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE])
    critical = having(x509.ExtendedKeyUsage([CLIENT, SERVER]), critical=True)
    for change, why in ((having(any_use), "allows everything"), (critical, "marked critical")):
        bad = forge(leaf=change) if part == "leaf" else forge(issuer=change)
        assert f"the {part}: its extended key usage" in (text := said(bad.chain, bad))
        assert why in text


def test_constraints_of_names_are_for_authorities() -> None:
    bad = forge(leaf=having(x509.NameConstraints([dns("cluster.local")], None), critical=True))
    assert "although it is no authority" in said(bad.chain, bad)


def test_a_subject_key_identifier_is_not_critical() -> None:
    bad = forge(leaf=having(x509.SubjectKeyIdentifier(b"a" * 20), critical=True))
    assert "subject key identifier is marked critical" in said(bad.chain, bad)


@pytest.mark.parametrize(("bits", "exponent"), [(2052, 65537), (2056, 3), (2048, 3), (1024, 65537)])
@pytest.mark.parametrize("part", ["leaf", "issuer"])
def test_rsa_keys_are_of_whole_bytes_and_the_usual_exponent(part: str, bits: int, exponent: int) -> None:
    key = rsa.generate_private_key(exponent, bits)
    bad = forge(leaf=but(key=key)) if part == "leaf" else forge(issuer=but(key=key))
    assert f"the {part}: its key" in said(bad.chain, bad)


@pytest.mark.parametrize("exponent", [65539, 2**64 + 1, 2**127 + 1])
def test_an_exponent_that_costs_much_is_refused(exponent: int) -> None:
    key = rsa.RSAPublicNumbers(
        exponent, rsa.generate_private_key(65537, 2048).public_key().public_numbers().n
    )
    with pytest.raises(InvalidCertificate, match="RSA exponent"):
        check_key(key.public_key())


def test_an_anchor_with_a_curve_of_its_own_is_refused() -> None:
    root = edited(
        MADE.root.public_bytes(Encoding.DER), ROOT_KEY, lambda t: replaced(t, KEY, explicit_curve(t[KEY]))
    )
    text = x509.load_der_x509_certificate(root).public_bytes(Encoding.PEM)
    with pytest.raises(InvalidTrustBundle, match="plain form"):
        TrustBundle.from_pem(text)


def test_a_chain_is_sent_in_order_and_nothing_else_with_it() -> None:
    three, stranger = forge(issuers=3), forge()
    leaf, one, two, last = three.chain
    root = three.root.public_bytes(Encoding.DER)
    for chain in ([leaf, one, two, last], [leaf, one, two, last, root], [leaf, leaf, one, two, last]):
        assert verify(chain, three.bundle, role="client", at=NOW).identity == WEB.dns_name
    for chain in ([leaf, two, one, last], [leaf, one, two, last, stranger.chain[1]]):
        assert "not in order" in said(chain, three)
    assert "not in order" in said([leaf, one, two, last, leaf], three)
    for chain in ([one, leaf, two, last], [leaf, two, last], [leaf, root, one, two, last]):
        said(chain, three)


def test_an_anchor_that_another_has_signed_may_be_sent() -> None:
    """Who knows only the old anchor needs it; who knows the new one ends the chain there."""
    old_key, new_root_key = new_key(), new_key()
    new = forge(root=but(key=new_root_key))
    old = forge(root=but(subject="old", key=old_key), issuer=but(subject="root", key=new_root_key))
    crossed = old.chain[1]
    both = TrustBundle.from_pem(new.bundle.pem + old.bundle.pem)
    for bundle in (new.bundle, old.bundle, both):
        sent = [*new.chain, crossed]
        assert verify(sent, bundle, role="client", at=NOW).identity == WEB.dns_name


def test_two_that_have_signed_each_other_are_no_anchor() -> None:
    one, two = new_key(), new_key()
    first = forge(root=but(subject="b", key=two), issuer=but(subject="a", key=one))
    second = forge(root=but(subject="a", key=one), issuer=but(subject="b", key=two))
    stranger = forge()
    chain = [first.chain[0], first.chain[1], second.chain[1]]
    assert "no trust anchor vouches" in said(chain, stranger)
    assert "no trust anchor vouches" in said([*chain, first.chain[1]], stranger)


def test_the_curves_are_two() -> None:
    for curve in (ec.SECP521R1(), ec.SECP224R1(), ec.SECP256K1(), ec.BrainpoolP256R1()):
        with pytest.raises(InvalidCertificate, match="taken are ECDSA P-256 and P-384"):
            check_key(ec.generate_private_key(curve).public_key())


def test_a_key_usage_of_nothing_is_refused() -> None:
    bad = forge(leaf=having(usage("crl_sign"), critical=True))
    assert "digital signatures" in said(bad.chain, bad)
