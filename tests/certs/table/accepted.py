"""Chains that must be taken, as step, openssl, cert-manager and we make them, and some odder ones."""

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from tests.certs.forge import CLIENT, NOW, SERVER, WEB, but, dns, having, named, usage, without
from tests.certs.table import DAY, LONG, Case, good
from tests.certs.table.keys import rsa_key, with_rsa

P384 = ec.generate_private_key(ec.SECP384R1())

ROWS: list[Case] = [
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
    good("an RSA 2048 root", root=but(key=rsa_key(2048))),
    good("an RSA 2048 issuer", issuer=but(key=rsa_key(2048))),
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
    good("an RSA 3072 root", root=with_rsa(3072)),
    good("an RSA 4096 root", root=with_rsa(4096)),
    good("an RSA 3072 issuer", issuer=with_rsa(3072)),
    good("an RSA 4096 leaf", leaf=with_rsa(4096)),
    good("P-384 all the way", root=but(key=P384), issuer=but(key=P384), leaf=but(key=P384)),
    good("RSA 2048 all the way", root=with_rsa(2048), issuer=with_rsa(2048), leaf=with_rsa(2048)),
    good("SHA-384 and SHA-512", root=but(digest=hashes.SHA384()), issuer=but(digest=hashes.SHA512())),
    good(
        "a leaf that an RSA key may be encrypted for too",
        leaf=having(usage("digital_signature", "key_encipherment"), critical=True),
    ),
    good("an issuer with path length 3", issuer=having(x509.BasicConstraints(True, 3), critical=True)),
    good(
        "an issuer bound to its own name",
        issuer=having(x509.NameConstraints([dns(WEB.dns_name)], None), critical=True),
    ),
    good(
        "an issuer that may not speak for others",
        issuer=having(x509.NameConstraints(None, [dns("east.jackstay")]), critical=True),
    ),
    good(
        "a root bound to the domain",
        root=having(x509.NameConstraints([dns("cluster.local")], None), critical=True),
    ),
    good(
        "an unknown extension that is not critical",
        leaf=having(x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\5\0")),
    ),
    good("ten years", root=but(end=NOW + 3650 * DAY), issuer=but(end=NOW + 3650 * DAY)),
]
