"""
A peer that shows whatever chain a test has made, by OpenSSL, which is told not to mind.

    context = showing(chain, key)       # raises ssl.SSLError for what no TLS library would send
"""

import os
import ssl
from collections.abc import Sequence

from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

ALPN = "jackstay/1"


def showing(
    chain: Sequence[bytes], key: CertificateIssuerPrivateKeyTypes | bytes, *, server: bool = False
) -> ssl.SSLContext:
    """A context of the client or server that shows *chain* (DER, leaf first) and takes anybody."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_ciphers("DEFAULT:@SECLEVEL=0")  # keys and hashes that OpenSSL itself would not use
    context.set_alpn_protocols([ALPN])
    if chain:
        pem = "".join(ssl.DER_cert_to_PEM_cert(one) for one in chain).encode()
        _load(context, pem + (key if isinstance(key, bytes) else key_pem(key)))
    return context


def key_pem(key: CertificateIssuerPrivateKeyTypes) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _load(context: ssl.SSLContext, pem: bytes) -> None:
    descriptor = os.memfd_create("shown")
    try:
        os.write(descriptor, pem)
        context.load_cert_chain(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)
