"""Authorities that are none, leaves that are too much, and key identifiers that say something else."""

from cryptography import x509

from tests.certs.forge import but, having, usage, without
from tests.certs.table import Case, bad

TWO = {"issuers": 2}
_UNKNOWN = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\0")
_OTHER = b"another key of 20 b."

ROWS: list[Case] = [
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
    bad(
        "upper issuer is no authority",
        "not an authority",
        base=TWO,
        top=having(x509.BasicConstraints(False, None), critical=True),
    ),
    bad(
        "upper issuer without basic constraints",
        "not an authority",
        base=TWO,
        top=without(x509.BasicConstraints),
    ),
    bad(
        "upper issuer's basic constraints not critical",
        "not marked critical",
        base=TWO,
        top=having(x509.BasicConstraints(True, None)),
    ),
    bad("upper issuer without key usage", "keyCertSign", base=TWO, top=without(x509.KeyUsage)),
    bad(
        "upper issuer may sign lists only",
        "keyCertSign",
        base=TWO,
        top=having(usage("crl_sign"), critical=True),
    ),
    bad(
        "upper issuer with an unknown critical extension",
        "critical",
        base=TWO,
        top=having(_UNKNOWN, critical=True),
    ),
    bad(
        "path length 0 of the upper issuer",
        "path length",
        base=TWO,
        top=having(x509.BasicConstraints(True, 0), critical=True),
    ),
    bad(
        "path length 1 of the root, three issuers",
        "path length",
        base={"issuers": 3},
        root=having(x509.BasicConstraints(True, 1), critical=True),
    ),
    bad(
        "path length 1 of the upper of four",
        "path length",
        base={"issuers": 4},
        top=having(x509.BasicConstraints(True, 1), critical=True),
    ),
    *(
        bad(
            f"issuer's key usage is {name} alone",
            "keyCertSign",
            issuer=having(usage(name), critical=True),
        )
        for name in ("digital_signature", "crl_sign", "key_encipherment", "content_commitment")
    ),
    *(
        bad(
            f"leaf's key usage is {name} alone",
            "digital sig",
            leaf=having(usage(name), critical=True),
        )
        for name in ("key_encipherment", "content_commitment", "data_encipherment", "crl_sign")
    ),
    bad(
        "leaf's key usage is everything",
        "signing of certificates|signing",
        leaf=having(
            usage("digital_signature", "key_encipherment", "key_cert_sign", "crl_sign"), critical=True
        ),
    ),
    bad(
        "leaf is an authority of path length 0",
        "authority's",
        leaf=having(x509.BasicConstraints(True, 0), critical=True),
    ),
    bad("leaf is an authority, not critical", "authority's", leaf=having(x509.BasicConstraints(True, None))),
    bad(
        "issuer names another signer's key",
        "another key",
        issuer=having(x509.AuthorityKeyIdentifier(_OTHER, None, None)),
    ),
    bad(
        "issuer's subject key identifier is another than the leaf says",
        "another key",
        issuer=having(x509.SubjectKeyIdentifier(_OTHER)),
    ),
    bad(
        "issuer's subject key identifier is critical",
        "subject key identifier|subjectKeyIdentifier|critical",
        issuer=lambda d: having(x509.SubjectKeyIdentifier.from_public_key(d.key.public_key()), critical=True)(
            d
        ),
    ),
    bad(
        "leaf's authority key identifier without a key",
        "authorityKeyIdentifier",
        leaf=having(
            x509.AuthorityKeyIdentifier(
                None,
                [x509.DirectoryName(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "root")]))],
                1,
            )
        ),
    ),
    bad(
        "upper issuer without key identifiers",
        "authorityKeyIdentifier|another key",
        base=TWO,
        top=but(key_identifiers=False),
    ),
    bad("issuer without a name", "subject is empty|no trust anchor|cannot be read", issuer=but(subject="")),
]
