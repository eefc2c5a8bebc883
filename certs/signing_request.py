"""What a workload sends to get its certificate: read strictly, and held to the name it claims."""

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from certs import certificate, pem
from certs.credentials import PrivateKey
from certs.identity import Identity

LABELS = ("CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST")
MOST = 16 * 1024


Attribute = x509.NameAttribute[str | bytes]


class InvalidRequest(ValueError):
    """The request cannot be read, or asks for something else than its identity's certificate."""


def make(identity: Identity, key: PrivateKey) -> bytes:
    """A request for *identity*, as PEM. Its subject is empty: a common name has at most 64 characters."""
    name = x509.SubjectAlternativeName([x509.DNSName(identity.dns_name)])
    builder = x509.CertificateSigningRequestBuilder(x509.Name([])).add_extension(name, critical=True)
    return builder.sign(key, certificate.digest_for(key.public_key())).public_bytes(Encoding.PEM)


def read(data: bytes, identity: Identity) -> ec.EllipticCurvePublicKey:
    """
    The key that *data* asks to be certified for *identity*, whose holder signed the request.

    Whatever else is asked for (lifetimes, usages, being an authority) is not looked at: we
    write those ourselves. Raises InvalidRequest.
    """
    request = _parsed(data)
    try:
        key, signed = request.public_key(), request.is_signature_valid
        subject, extensions = list(request.subject), request.extensions
    except (
        ValueError,
        TypeError,
        UnsupportedAlgorithm,
        x509.DuplicateExtension,
        x509.UnsupportedGeneralNameType,
    ) as error:
        raise InvalidRequest("the certificate request is damaged") from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name != "secp256r1":
        raise InvalidRequest(
            f"the key to be certified is {certificate.key_type(key)}; it must be ECDSA P-256"
        )
    if not signed:
        raise InvalidRequest("the request is not signed by the key that it asks to be certified")
    _check_names(subject, extensions, identity)
    return key


def _parsed(data: bytes) -> x509.CertificateSigningRequest:
    if len(data) > MOST:
        raise InvalidRequest(f"the certificate request has {len(data)} bytes, over {MOST}")
    try:
        blocks = pem.blocks(data)
        if len(blocks) != 1 or blocks[0].label not in LABELS:
            raise InvalidRequest("it must hold one PEM block, a CERTIFICATE REQUEST")
        return x509.load_der_x509_csr(blocks[0].body)
    except pem.InvalidPem as error:
        raise InvalidRequest(f"the certificate request cannot be read: {error}") from error
    except InvalidRequest:
        raise
    except (ValueError, x509.InvalidVersion) as error:
        raise InvalidRequest("the certificate request is damaged") from error


def _check_names(
    subject: list[Attribute],
    extensions: x509.Extensions,
    identity: Identity,
) -> None:
    wanted = identity.dns_name
    for attribute in subject:
        if attribute.oid != NameOID.COMMON_NAME or attribute.value not in ("", wanted):
            raise InvalidRequest("its subject must be empty, or a common name that is the identity")
    try:
        names = list(extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    except x509.ExtensionNotFound as error:
        raise InvalidRequest("it asks for no name (a subject alternative name is missing)") from error
    if len(names) != 1 or not isinstance(names[0], x509.DNSName) or names[0].value != wanted:
        raise InvalidRequest(f"it must ask for one DNS name, {wanted}, and for no name beside")
