"""Extended key usages that do not allow what the certificate is used for."""

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.certs.forge import CLIENT, SERVER, having, without
from tests.certs.table import Case, bad

OCSP, CODE, TIME = (
    ExtendedKeyUsageOID.OCSP_SIGNING,
    ExtendedKeyUsageOID.CODE_SIGNING,
    ExtendedKeyUsageOID.TIME_STAMPING,
)

ROWS: list[Case] = [
    bad("leaf without extended key usage", "Auth is missing", leaf=without(x509.ExtendedKeyUsage)),
    bad(
        "leaf for mail",
        "Auth is missing",
        leaf=having(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION])),
    ),
    bad(
        "leaf for anything",
        "Auth is missing|allows everything",
        leaf=having(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE])),
    ),
    bad(
        "leaf for anything too",
        "allows everything",
        leaf=having(x509.ExtendedKeyUsage([CLIENT, SERVER, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE])),
    ),
    bad(
        "issuer for mail",
        "vouch for a",
        issuer=having(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION])),
    ),
    *(
        bad(f"leaf for {name}", "Auth is missing", leaf=having(x509.ExtendedKeyUsage([purpose])))
        for name, purpose in {
            "OCSP": OCSP,
            "code": CODE,
            "time stamps": TIME,
            "something unknown": x509.ObjectIdentifier("1.2.3.4"),
        }.items()
    ),
    *(
        bad(f"issuer for {name}", "vouch for a", issuer=having(x509.ExtendedKeyUsage([purpose])))
        for name, purpose in {"OCSP": OCSP, "code": CODE, "time stamps": TIME}.items()
    ),
    bad(
        "upper issuer for mail",
        "vouch for a",
        base={"issuers": 2},
        top=having(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION])),
    ),
    bad(
        "leaf's usage critical, and of others",
        "Auth is missing|critical",
        leaf=having(x509.ExtendedKeyUsage([CODE, OCSP]), critical=True),
    ),
    bad(
        "leaf's usage critical",
        "critical",
        leaf=having(x509.ExtendedKeyUsage([SERVER, CLIENT]), critical=True),
    ),
]
