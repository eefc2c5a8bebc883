import errno
import os
from pathlib import Path
from typing import NoReturn

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.hazmat.primitives.serialization.pkcs12 import serialize_key_and_certificates
from hypothesis import given, settings
from hypothesis import strategies as st

from certs.credentials import Credentials, InvalidCredentials
from certs.pem import MOST, InvalidPem, Unreadable, blocks, read
from certs.trust_bundle import InvalidTrustBundle, TrustBundle
from tests.support.pki import Pki

PKI = Pki.make()
ONE = PKI.anchors_pem
LINES = ONE.splitlines(keepends=True)


def label(data: bytes) -> list[str]:
    return [block.label for block in blocks(data)]


@pytest.mark.parametrize(
    "data",
    [
        ONE,
        ONE.rstrip(),
        ONE.replace(b"\n", b"\r\n"),
        b"Certificate:\n    Data:\n" + ONE + b"\nthe end\n",
        b"# our root\n\n" + ONE,
    ],
    ids=["as made", "no newline at the end", "CRLF", "with openssl's text", "with a comment"],
)
def test_one_block_is_found(data: bytes) -> None:
    assert label(data) == ["CERTIFICATE"]
    assert blocks(data) == blocks(ONE)


def test_blocks_come_in_order() -> None:
    leaf = PKI.leaf("web.test")
    assert label(leaf.key_pem + leaf.certificate_pem) == ["PRIVATE KEY", "CERTIFICATE", "CERTIFICATE"]


BROKEN = {
    "nothing": (b"", "empty"),
    "blanks": (b" \n\t\n", "empty"),
    "DER": (PKI.root.certificate.tbs_certificate_bytes, "no PEM block"),
    "text": (b"hello", "no PEM block"),
    "no end": (b"".join(LINES[:-1]), "cut off"),
    "half": (ONE[: len(ONE) // 2], "cut off"),
    "half of the end": (ONE[:-10], "cut off"),
    "no begin": (b"".join(LINES[1:]), "stands alone"),
    "no end, then another": (b"".join(LINES[:-1]) + ONE, "another block inside"),
    "a damaged begin": (ONE.replace(b"BEGIN CERT", b"BEGIN cert"), "stands alone"),
    "indented": (ONE.replace(b"-----BEGIN", b" -----BEGIN"), "stands alone"),
    "another's end": (ONE.replace(b"END CERTIFICATE", b"END PRIVATE KEY"), "cut off"),
    "a letter less": (ONE.replace(LINES[2], LINES[2][1:]), "not base64"),
    "a foreign letter": (ONE.replace(LINES[2], b"*" + LINES[2][1:]), "not base64"),
    "a NUL": (ONE.replace(LINES[2], b"\0" + LINES[2][1:]), "not base64"),
    "no body": (LINES[0] + LINES[-1], "is empty"),
    "a whole and a half": (ONE + ONE[:100], "cut off"),
    "too long": (ONE + b" " * MOST, "over"),
}


KEY = load_pem_private_key(PKI.root.key_pem, password=None)
PASSWORD = BestAvailableEncryption(b"secret")
DER = {
    "a certificate": (PKI.root.certificate.public_bytes(Encoding.DER), "openssl x509 -inform DER -in"),
    "a key": (
        KEY.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()),
        "openssl pkey -inform DER",
    ),
    "a key of the old form": (
        KEY.private_bytes(Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption()),
        "openssl pkey -inform DER",
    ),
    "both, in PKCS #12": (
        serialize_key_and_certificates(b"x", PKI.root.key, PKI.root.certificate, None, PASSWORD),
        "openssl pkcs12 -in",
    ),
}


@pytest.mark.parametrize(("data", "command"), DER.values(), ids=DER)
def test_of_der_it_is_said_how_it_becomes_pem(data: bytes, command: str) -> None:
    with pytest.raises(InvalidPem, match=f"^it is DER .*, not PEM; convert it: {command}"):
        blocks(data)


@pytest.mark.parametrize(("data", "said"), BROKEN.values(), ids=BROKEN)
def test_a_broken_file_is_refused_whole(data: bytes, said: str) -> None:
    with pytest.raises(InvalidPem, match=said):
        blocks(data)
    with pytest.raises(InvalidTrustBundle, match=said):
        TrustBundle.from_pem(data)
    with pytest.raises(InvalidCredentials, match=said):
        Credentials.from_pem(data, PKI.leaf("web.test").key_pem)


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (errno.EACCES, f"permission denied; user {os.geteuid()}, who runs this, must be able to read it"),
        (errno.EISDIR, "it is a directory; name the file in it"),
        (errno.ENOENT, "No such file or directory"),
    ],
)
def test_a_file_that_cannot_be_had_is_named_and_said_why(
    monkeypatch: pytest.MonkeyPatch, number: int, said: str
) -> None:
    path = Path("web.crt")

    def refuse(*_: object) -> NoReturn:
        raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setattr(Path, "open", refuse)  # root, who may run this, is refused nothing
    with pytest.raises(Unreadable) as unreadable:
        read(path)
    assert (str(unreadable.value), unreadable.value.why) == (f"web.crt: {said}", said)


@settings(deadline=None)
@given(st.binary(max_size=400))
def test_garbage_is_blocks_or_refused(data: bytes) -> None:
    framed = b"-----BEGIN CERTIFICATE-----\n" + data + b"\n-----END CERTIFICATE-----\n"
    for text in (data, framed):
        try:
            found = blocks(text)
        except InvalidPem:
            continue
        assert all(block.label and block.body for block in found)


@pytest.mark.filterwarnings("ignore::UserWarning")  # which pytest puts before the filter of `certificate`
@settings(deadline=None)
@given(st.integers(min_value=0, max_value=len(ONE) - 1), st.integers(min_value=0, max_value=255))
def test_no_changed_byte_leads_to_other_anchors(position: int, byte: int) -> None:
    changed = bytearray(ONE)
    changed[position] = byte
    try:
        bundle = TrustBundle.from_pem(bytes(changed))
    except InvalidTrustBundle:
        return
    assert bundle.digest == PKI.bundle.digest
