"""What makes an authority: basic constraints, key usage, path lengths, key identifiers."""

from functools import partial

from cryptography import x509

from tests.certs.forge import Change, Draft, but, having, usage, without
from tests.certs.table.example import Row, row

UNKNOWN = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\0")
ANOTHER = x509.AuthorityKeyIdentifier(b"another key of 20 b.", None, None)
_NONE = "TLS: |authority|no trust anchor|keyCertSign"


def own_key_critical(draft: Draft) -> Draft:
    own = x509.SubjectKeyIdentifier.from_public_key(draft.key.public_key())
    return having(own, critical=True)(draft)


def ca(path_length: int | None = None, *, critical: bool = True) -> Change:
    return having(x509.BasicConstraints(True, path_length), critical=critical)


def no_ca(*, critical: bool = True) -> Change:
    return having(x509.BasicConstraints(False, None), critical=critical)


def uses(*names: str, critical: bool = True) -> Change:
    return having(usage(*names), critical=critical)


_row = partial(row, "authorities")

ROWS: list[Row] = [
    _row("issuer says that it is none", _NONE, issuer=no_ca()),
    _row("issuer says so, not critical", _NONE, issuer=no_ca(critical=False)),
    _row("issuer without basic constraints", _NONE, issuer=without(x509.BasicConstraints)),
    _row(
        "issuer without basic constraints and key usage",
        _NONE,
        issuer=lambda d: without(x509.BasicConstraints)(without(x509.KeyUsage)(d)),
    ),
    _row("issuer's basic constraints not critical", "critical", issuer=ca(critical=False)),
    _row("issuer without key usage", "keyCertSign", issuer=without(x509.KeyUsage)),
    _row("issuer for signatures only", _NONE, issuer=uses("digital_signature")),
    _row("issuer for lists only", _NONE, issuer=uses("crl_sign")),
    _row("issuer for keys only", _NONE, issuer=uses("key_agreement")),
    _row(
        "issuer for keys only, not critical",
        _NONE,
        issuer=uses("key_agreement", critical=False),
    ),
    _row(
        "issuer's key usage is empty",
        "TLS: |cannot|keyCertSign",
        issuer=uses("content_commitment"),
    ),
    _row("issuer without a name", "TLS: |empty|no trust anchor", issuer=but(subject="")),
    _row(
        "issuer with an unknown critical extension",
        "critical",
        issuer=having(UNKNOWN, critical=True),
    ),
    _row(
        "root with an unknown critical extension",
        "critical",
        root=having(UNKNOWN, critical=True),
    ),
    _row(
        "leaf with an unknown critical extension",
        "critical",
        leaf=having(UNKNOWN, critical=True),
    ),
    _row("path length of the root", "path", root=ca(0)),
    _row("path length of the root, two below", "path", sound={"issuers": 2}, root=ca(1)),
    _row("path length of an issuer", "path", sound={"issuers": 2}, issuer=ca(0)),
    _row("path length of the first of three", "path", sound={"issuers": 3}, issuer=ca(1)),
    _row("leaf is an authority", "authority|TLS: ", leaf=ca()),
    _row("leaf is an authority, not critical", "authority|TLS: ", leaf=ca(critical=False)),
    _row("leaf is an authority of none below", "authority|TLS: ", leaf=ca(0)),
    _row(
        "leaf is an authority and may sign",
        "authority|TLS: ",
        leaf=lambda d: ca()(uses("digital_signature", "key_cert_sign")(d)),
    ),
    _row(
        "leaf may sign certificates",
        "signing",
        leaf=uses("digital_signature", "key_cert_sign"),
    ),
    _row("leaf may sign lists", "signing", leaf=uses("digital_signature", "crl_sign")),
    _row("leaf may not sign", "digital|TLS: ", leaf=uses("key_agreement")),
    _row("leaf may only encipher", "digital|TLS: ", leaf=uses("key_encipherment")),
    _row(
        "leaf may not sign, not critical",
        "digital|TLS: ",
        leaf=uses("key_agreement", critical=False),
    ),
    _row("leaf without key identifiers", "authorityKeyId", leaf=but(key_identifiers=False)),
    _row("issuer without key identifiers", "KeyIdentifier", issuer=but(key_identifiers=False)),
    _row("leaf names another key as its signer's", "TLS: |another key", leaf=having(ANOTHER)),
    _row("issuer names another key as its signer's", "TLS: |another key", issuer=having(ANOTHER)),
    _row(
        "leaf's signer's key is critical",
        "critical|TLS: ",
        leaf=having(ANOTHER, critical=True),
    ),
    _row(
        "leaf names a signer by number alone",
        "which key|TLS: |no trust anchor",
        leaf=having(x509.AuthorityKeyIdentifier(None, [x509.DirectoryName(x509.Name([]))], 4711)),
    ),
    _row("leaf's own key is critical", "critical", leaf=own_key_critical),
    _row("issuer's own key is critical", "critical", issuer=own_key_critical),
    _row(
        "leaf with name constraints",
        "although it is no authority|TLS: ",
        leaf=having(x509.NameConstraints([x509.DNSName("cluster.local")], None), critical=True),
    ),
    _row(
        "leaf with a policy constraint",
        "critical|TLS: ",
        leaf=having(x509.PolicyConstraints(0, None), critical=True),
    ),
    _row(
        "leaf says another signer's name",
        "TLS: |no trust anchor",
        leaf=but(signer_name="somebody"),
    ),
    _row(
        "issuer says another signer's name",
        "TLS: |no trust anchor",
        issuer=but(signer_name="any"),
    ),
]
