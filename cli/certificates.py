"""The certificate of a process, from what its options say."""

from collections.abc import Sequence
from pathlib import Path

from certs.credentials import InvalidCredentials
from certs.files import CertificateFiles
from certs.source import CertificateSource
from certs.trust_bundle import InvalidTrustBundle
from cli.errors import explained


def certificate_source(
    certificate: Path, key: Path, trust_anchors: Path, *, alpn: Sequence[str]
) -> CertificateSource:
    """The source that the options name, speaking *alpn*. Raises CliError for files that cannot be used."""
    with explained(InvalidCredentials, InvalidTrustBundle):
        return CertificateFiles(certificate, key, trust_anchors, alpn=alpn)
