"""Revocation lists: which are taken, and whom they leave."""

from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA224
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from hypothesis import strategies as st

from certs.chain_cache import VerifiedChains
from certs.credentials import read_key
from certs.revocation import MOST_BYTES, InvalidRevocations, NoList, Revocations
from certs.revocation_file import load_revocations
from certs.verification import Peer, Revoked, Untrusted, verify
from tests.certs.forge import Draft, but, forge, having, usage
from tests.support.crl import crl, entry, revoked, signed_list
from tests.support.pki import DAY, Issued, Pki

PKI = Pki.make()
WEB, API = PKI.leaf("web.test"), PKI.leaf("api.test")
HOUR = timedelta(hours=1)
OF_ROOT, OF_ISSUER = crl(PKI.root), crl(PKI.issuer)
ALL = OF_ROOT + OF_ISSUER


def look(lists: bytes, who: Issued = WEB, *, pki: Pki = PKI, after: timedelta = timedelta()) -> Peer:
    revocations = Revocations.read(lists)
    return verify(who.chain, pki.bundle, role="client", at=PKI.now + after, revocations=revocations)


def said(lists: bytes, who: Issued = WEB, *, after: timedelta = timedelta()) -> str:
    with pytest.raises(Untrusted) as refused:
        look(lists, who, after=after)
    assert not isinstance(refused.value, Revoked)
    return str(refused.value)


def test_whom_no_list_names_is_taken() -> None:
    assert look(ALL).identity == WEB.identity
    assert look(crl(PKI.issuer, revoked(API)) + OF_ROOT).identity == WEB.identity


@pytest.mark.parametrize("names", ["leaf", "issuer"])
def test_whom_a_list_names_is_revoked(names: str) -> None:
    lists = (
        crl(PKI.issuer, revoked(WEB)) + OF_ROOT
        if names == "leaf"
        else crl(PKI.root, PKI.issuer.certificate.serial_number) + OF_ISSUER
    )
    with pytest.raises(Revoked, match="revoked by CN=") as refused:
        look(lists)
    assert refused.value.reason == "untrusted"


def test_a_serial_number_counts_for_its_own_signer_only() -> None:
    assert look(OF_ISSUER + crl(PKI.root, revoked(WEB))).identity == WEB.identity


def test_each_signer_must_have_a_list() -> None:
    assert "no revocation list that CN=root" in said(OF_ISSUER)
    assert "no revocation list that CN=identity" in said(OF_ROOT)


def test_a_list_of_another_key_in_the_same_name_is_none() -> None:
    other = Pki.make()
    assert "no revocation list that" in said(OF_ROOT + crl(other.issuer))
    forged = signed_list(PKI.issuer.certificate, ec.generate_private_key(ec.SECP256R1()))
    assert "no revocation list that" in said(OF_ROOT + forged)


def test_a_forged_list_revokes_nobody() -> None:
    forged = signed_list(PKI.issuer.certificate, ec.generate_private_key(ec.SECP256R1()), revoked(WEB))
    assert look(ALL + forged).identity == WEB.identity


def test_a_list_of_the_right_key_in_another_name_is_none() -> None:
    assert "no revocation list that" in said(
        OF_ROOT + signed_list(PKI.root.certificate, read_key(PKI.issuer.key_pem))
    )


@pytest.mark.parametrize(("more", "taken"), [((), False), (("crl_sign",), True)])
def test_a_signer_must_be_allowed_to_sign_lists(more: tuple[str, ...], *, taken: bool) -> None:
    key = ec.generate_private_key(ec.SECP256R1())

    def issuer(draft: Draft) -> Draft:
        return but(key=key)(having(usage("key_cert_sign", *more), critical=True)(draft))

    path = forge(issuer=issuer).certificates
    revocations = Revocations.read(signed_list(path[1], key))
    if taken:
        revocations.check(path, PKI.now)
    else:
        with pytest.raises(NoList, match="no revocation list that"):
            revocations.check(path, PKI.now)


@pytest.mark.parametrize(
    ("begin", "end", "taken"),
    [(-1, 1, True), (0, 0, True), (1, 2, False), (-2, -1, False)],
)
def test_a_list_must_be_current(begin: int, end: int, *, taken: bool) -> None:
    now = PKI.now.replace(microsecond=0)
    lists = OF_ROOT + crl(PKI.issuer, begin=now + begin * HOUR, end=now + end * HOUR)
    revocations = Revocations.read(lists)
    if taken:
        verify(WEB.chain, PKI.bundle, role="client", at=now, revocations=revocations)
    else:
        with pytest.raises(Untrusted, match="is current"):
            verify(WEB.chain, PKI.bundle, role="client", at=now, revocations=revocations)


def test_one_current_list_of_several_is_enough_and_each_of_them_revokes() -> None:
    old = crl(PKI.issuer, begin=PKI.now - 2 * HOUR, end=PKI.now - HOUR)
    assert look(old + ALL).identity == WEB.identity
    old = crl(PKI.issuer, revoked(WEB), begin=PKI.now - 2 * HOUR, end=PKI.now - HOUR)
    with pytest.raises(Revoked):
        look(old + ALL)


def test_an_anchor_needs_no_list_of_its_own() -> None:
    made = forge(issuers=0)
    lists = signed_list(made.root, ec.generate_private_key(ec.SECP256R1()))
    revocations = Revocations.read(lists)
    assert revocations.check([made.root], PKI.now) > PKI.now + 1000 * DAY


def test_der_is_read_too(tmp_path: Path) -> None:
    der = x509.load_pem_x509_crl(OF_ISSUER).public_bytes(Encoding.DER)
    (tmp_path / "crl").write_bytes(der)
    (one,) = load_revocations(tmp_path / "crl").lists
    assert one.signed_by(PKI.issuer.certificate)


def list_with(*extensions: tuple[x509.ExtensionType, bool]) -> bytes:
    return crl(PKI.issuer, extensions=extensions)


def without_next_update() -> bytes:
    """nextUpdate cut out; the signature does not matter, it is looked at later."""
    der = bytearray(x509.load_pem_x509_crl(OF_ISSUER).public_bytes(Encoding.DER))
    at = der.index(b"\x17\x0d")
    following = at + 15
    assert der[following : following + 2] == b"\x17\x0d"
    del der[following : following + 15]
    return shortened(bytes(der), 15)


def shortened(der: bytes, by: int) -> bytes:
    """*der* with the lengths of the two outer sequences smaller by so much."""
    changed = bytearray(der)
    at = 0
    for _ in range(2):
        size = changed[at + 1]
        if size & 0x80:
            count = size & 0x7F
            value = int.from_bytes(changed[at + 2 : at + 2 + count]) - by
            changed[at + 2 : at + 2 + count] = value.to_bytes(count)
            at += 2 + count
        else:
            changed[at + 1] = size - by
            at += 2
    return bytes(changed)


POINT = [x509.UniformResourceIdentifier("http://crl.test/")]
UNKNOWN = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\0")
BAD = {
    "nothing": (b"", "empty"),
    "text": (b"hello", "no PEM block"),
    "a certificate": (PKI.anchors_pem, "block 1 is a CERTIFICATE"),
    "a certificate among lists": (ALL + PKI.anchors_pem, "block 3 is a CERTIFICATE"),
    "cut off": (OF_ISSUER[:-30], "cut off"),
    "garbage in PEM": (b"-----BEGIN X509 CRL-----\nMAA=\n-----END X509 CRL-----\n", "list 1.*damaged"),
    "DER with bytes behind": (
        x509.load_pem_x509_crl(OF_ISSUER).public_bytes(Encoding.DER) + b"\0",
        "damaged",
    ),
    "too long": (b"#" * (MOST_BYTES + 1), "are over"),
    "too many": (OF_ISSUER * 101, "101 revocation lists"),
    "delta": (list_with((x509.DeltaCRLIndicator(1), True)), "delta"),
    "delta, not critical": (list_with((x509.DeltaCRLIndicator(1), False)), "delta"),
    "leaves only": (
        list_with((x509.IssuingDistributionPoint(POINT, None, True, False, None, False, False), True)),
        "a part only",
    ),
    "indirect": (
        list_with((x509.IssuingDistributionPoint(POINT, None, False, False, None, True, False), True)),
        "a part only",
    ),
    "an unknown critical extension": (list_with((UNKNOWN, True)), "unknown critical extension"),
    "an entry of another issuer": (
        crl(
            PKI.issuer,
            entry(
                5, PKI.now, (x509.CertificateIssuer([x509.DirectoryName(PKI.root.certificate.subject)]), True)
            ),
        ),
        "entry 5 has a critical",
    ),
    "SHA-224": (
        signed_list(PKI.issuer.certificate, read_key(PKI.issuer.key_pem), digest=SHA224()),
        "SHA-256",
    ),
    "no next update": (without_next_update(), "nextUpdate"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_not_a_complete_list_is_refused(name: str) -> None:
    data, why = BAD[name]
    with pytest.raises(InvalidRevocations, match=why) as refused:
        Revocations.read(data)
    assert "\n" not in str(refused.value)


def test_extensions_that_change_nothing_are_taken() -> None:
    key = PKI.issuer.certificate.public_key()
    more = [
        (x509.CRLNumber(7), False),
        (x509.AuthorityKeyIdentifier.from_issuer_public_key(key), False),  # type: ignore[arg-type]
        (UNKNOWN, False),
    ]
    reason = entry(5, PKI.now, (x509.CRLReason(x509.ReasonFlags.key_compromise), False))
    assert look(OF_ROOT + crl(PKI.issuer, reason, extensions=more)).identity == WEB.identity


def test_a_file_names_itself(tmp_path: Path) -> None:
    with pytest.raises(InvalidRevocations, match="none: No such file"):
        load_revocations(tmp_path / "none")
    (tmp_path / "crl").write_bytes(b"")
    with pytest.raises(InvalidRevocations, match="crl: the revocation lists cannot be read"):
        load_revocations(tmp_path / "crl")


def test_without_lists_nobody_is_taken() -> None:
    revocations = Revocations.unusable("crl.pem: No such file or directory")
    with pytest.raises(Untrusted, match=r"cannot be read: crl\.pem"):
        verify(WEB.chain, PKI.bundle, role="client", at=PKI.now, revocations=revocations)


def test_the_next_update_is_that_of_the_first_signer_whose_newest_list_ends() -> None:
    now = PKI.now.replace(microsecond=0)
    lists = [
        crl(PKI.issuer, end=now + HOUR),
        crl(PKI.issuer, end=now + 3 * HOUR),
        crl(PKI.root, end=now + 2 * HOUR),
    ]
    assert Revocations.read(b"".join(lists)).next_update == now + 2 * HOUR
    assert Revocations.read(b"".join(lists[:2])).next_update == now + 3 * HOUR
    assert Revocations.unusable("x").next_update is None


def test_what_is_remembered_holds_until_a_list_is_out_of_date() -> None:
    now = PKI.now.replace(microsecond=0)
    revocations = Revocations.read(OF_ROOT + crl(PKI.issuer, end=now + HOUR))
    chains = VerifiedChains(PKI.bundle, revocations)
    first = chains.verify(WEB.chain, role="client", at=now)
    assert first.holds_until == now + HOUR < first.not_after
    assert chains.verify(WEB.chain, role="client", at=now + HOUR) is first
    with pytest.raises(Untrusted, match="is current"):
        chains.verify(WEB.chain, role="client", at=now + HOUR + timedelta(seconds=1))


def test_the_cache_of_another_generation_knows_nothing() -> None:
    generation = PKI.generation("web.test").revoking(Revocations.read(ALL))
    generation.chains.verify(API.chain, role="client", at=PKI.now)
    named = generation.revoking(Revocations.read(crl(PKI.issuer, revoked(API)) + OF_ROOT))
    assert named.number == generation.number + 1
    assert named.rules != generation.rules
    with pytest.raises(Revoked):
        named.chains.verify(API.chain, role="client", at=PKI.now)


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_garbage_is_refused_with_a_sentence(data: bytes) -> None:
    with pytest.raises(InvalidRevocations):
        Revocations.read(data)


DER = x509.load_pem_x509_crl(crl(PKI.issuer, revoked(WEB), 5, 6)).public_bytes(Encoding.DER)


@settings(deadline=None)
@given(st.integers(0, len(DER) - 1), st.integers(1, 255))
def test_a_list_with_another_byte_takes_nobody(at: int, change: int) -> None:
    """A changed list has not been signed by anybody; or it cannot be read."""
    changed = bytearray(DER)
    changed[at] ^= change
    try:
        revocations = Revocations.read(bytes(changed))
    except InvalidRevocations:
        return
    with pytest.raises(Untrusted):
        verify(API.chain, PKI.bundle, role="client", at=PKI.now, revocations=revocations)
