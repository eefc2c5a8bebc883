"""Trust anchors that are none: nothing begins with them, and who runs keeps what it has and says so."""

import asyncio
import contextlib
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding
from structlog.testing import capture_logs

from certs.credentials import InvalidCredentials
from certs.files import CertificateFiles
from certs.generation import Generation
from certs.trust_bundle import InvalidTrustBundle
from tests.certs.forge import (
    HOUR,
    NOW,
    Change,
    authority,
    but,
    forge,
    having,
    new_key,
    same,
    sign,
    usage,
    without,
)
from tests.certs.table.keys import rsa_key
from tests.support.pki import ALPN, Pki

PKI = Pki.make()
WEB = PKI.leaf("web.test")
GOOD = PKI.anchors_pem


def anchor(change: Change = same) -> bytes:
    return sign(change(authority("root")), None).public_bytes(Encoding.PEM)


BROKEN: dict[str, bytes] = {
    "empty": b"",
    "white space": b" \n\n",
    "words": b"no anchors today\n",
    "DER": forge().root.public_bytes(Encoding.DER),
    "cut in the middle": GOOD[: len(GOOD) // 2],
    "its last line is missing": GOOD[: GOOD.rindex(b"-----END")],
    "its first line is missing": GOOD[GOOD.index(b"\n") + 1 :],
    "a damaged first line": GOOD.replace(b"-----BEGIN", b"----BEGIN", 1),
    "a letter that is none of base64": GOOD.replace(b"\nMII", b"\nM!I", 1),
    "a byte of it is another": GOOD.replace(b"\nMII", b"\nMIJ", 1),
    "an empty block": b"-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n",
    "a block in a block": GOOD.replace(b"\n", b"\n-----BEGIN CERTIFICATE-----\n", 1),
    "a good one and a broken one": GOOD + GOOD[: len(GOOD) // 2],
    "a good one and a leaf": GOOD + WEB.certificate_pem,
    "a leaf": WEB.certificate_pem,
    "an issuer": PKI.issuer.pem,
    "a private key": WEB.key_pem,
    "a good one and a private key": GOOD + WEB.key_pem,
    "a public key": GOOD.replace(b"CERTIFICATE", b"PUBLIC KEY"),
    "a request": GOOD.replace(b"CERTIFICATE", b"CERTIFICATE REQUEST"),
    "expired": anchor(but(begin=NOW - 9 * HOUR, end=NOW - HOUR)),
    "not valid yet": anchor(but(begin=NOW + HOUR, end=NOW + 2 * HOUR)),
    "no authority": anchor(having(x509.BasicConstraints(False, None), critical=True)),
    "without basic constraints": anchor(without(x509.BasicConstraints)),
    "one that may not sign certificates": anchor(having(usage("crl_sign"), critical=True)),
    "without a name": anchor(but(subject="")),
    "RSA 1024": anchor(lambda d: but(key=rsa_key(1024))(d)),
    "RSA with exponent 3": anchor(lambda d: but(key=rsa_key(2048, 3))(d)),
    "P-521": anchor(but(key=ec.generate_private_key(ec.SECP521R1()), digest=hashes.SHA512())),
    "Ed25519": anchor(but(key=ed25519.Ed25519PrivateKey.generate(), digest=None)),
    "a hundred and one": b"".join(anchor(but(key=new_key())) for _ in range(101)),
    "over a megabyte": GOOD + b"\n" * (1 << 20),
    "of others": Pki.make().anchors_pem,
}


def files(directory: Path, anchors: bytes) -> CertificateFiles:
    paths = WEB.write(directory)
    paths.trust_anchors.write_bytes(anchors)
    return CertificateFiles(paths.certificate, paths.key, paths.trust_anchors, alpn=ALPN)


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
def test_nothing_begins_with_it(tmp_path: Path, broken: bytes) -> None:
    files(tmp_path, GOOD)
    with pytest.raises((InvalidTrustBundle, InvalidCredentials), match=r"root\.crt") as refused:
        files(tmp_path, broken)
    assert "PRIVATE KEY-----" not in str(refused.value)


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
async def test_who_runs_keeps_what_it_has_and_says_so(tmp_path: Path, broken: bytes) -> None:
    held = files(tmp_path, GOOD)
    before = held.generation()
    told: list[Generation | None] = []
    (tmp_path / "web-root.crt").write_bytes(broken)
    with capture_logs() as lines:
        task = asyncio.create_task(held.follow(told.append))
        held.renew()
        async with asyncio.timeout(60):
            while None not in told:  # noqa: ASYNC110  # what is waited for has no Event
                await asyncio.sleep(0.01)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    assert held.generation() is before
    assert [line for line in lines if line["event"] == "certificate.kept"]


def test_there_are_as_many_as_there_were() -> None:
    assert len(BROKEN) >= 30
