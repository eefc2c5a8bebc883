"""
Credentials and trust anchors made into TLS contexts, all of one moment.

An SSLContext is never changed: a new certificate or anchor makes a new generation. With
nothing resumed (no tickets of either kind), no session outlives the anchors that let it in.
"""

import os
import ssl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Self

from cryptography.hazmat.primitives.serialization import Encoding

from certs import fitness, pem
from certs.chain_cache import VerifiedChains
from certs.credentials import Credentials, InvalidCredentials
from certs.revocation import Revocations
from certs.trust_bundle import InvalidTrustBundle, TrustBundle


@dataclass(frozen=True, slots=True)
class Generation:
    """What every handshake that begins now uses, as server or as client."""

    number: int
    credentials: Credentials
    bundle: TrustBundle
    server: ssl.SSLContext = field(repr=False, compare=False)
    client: ssl.SSLContext = field(repr=False, compare=False)
    """Offers the first protocol that we speak as client."""

    clients: Mapping[str, ssl.SSLContext] = field(repr=False, compare=False)
    """For each protocol that we speak as client a context that offers it and no other."""

    chains: VerifiedChains = field(repr=False, compare=False)
    """Who else has shown a chain to this generation."""

    revocations: Revocations | None = None
    """Who is not let in although an anchor vouches for it; None if there are no such lists."""

    @classmethod
    def build(
        cls,
        number: int,
        credentials: Credentials,
        bundle: TrustBundle,
        *,
        alpn_server: Sequence[str],
        alpn_client: Sequence[str],
        revocations: Revocations | None = None,
    ) -> Self:
        """All contexts: TLS 1.3, the peer's certificate required, these anchors and no others."""
        server = mutual(ssl.PROTOCOL_TLS_SERVER, credentials, bundle)
        if alpn_server:
            server.set_alpn_protocols(list(alpn_server))
        clients = {protocol: mutual(ssl.PROTOCOL_TLS_CLIENT, credentials, bundle) for protocol in alpn_client}
        for protocol, context in clients.items():
            context.set_alpn_protocols([protocol])
        client = next(iter(clients.values()), None) or mutual(ssl.PROTOCOL_TLS_CLIENT, credentials, bundle)
        return cls(
            number,
            credentials,
            bundle,
            server,
            client,
            MappingProxyType(clients),
            VerifiedChains(bundle, revocations),
            revocations,
        )

    def revoking(self, revocations: Revocations | None) -> Self:
        """The next generation, with these revocation lists and otherwise the same."""
        return replace(
            self,
            number=self.number + 1,
            chains=VerifiedChains(self.bundle, revocations),
            revocations=revocations,
        )

    @property
    def rules(self) -> tuple[str, Revocations | None]:
        """By what peers are let in: while it is the same, so is what is said of a chain, but for the time."""
        return self.bundle.digest, self.revocations


def load(
    certificate: Path,
    key: Path,
    trust_anchors: Path,
    *,
    number: int,
    at: datetime,
    alpn_server: Sequence[str],
    alpn_client: Sequence[str],
    revocations: Revocations | None = None,
) -> Generation:
    """The generation of three files. Raises like `load_fit`."""
    credentials, bundle = load_fit(certificate, key, trust_anchors, at=at)
    return Generation.build(
        number,
        credentials,
        bundle,
        alpn_server=alpn_server,
        alpn_client=alpn_client,
        revocations=revocations,
    )


def load_fit(
    certificate: Path, key: Path, trust_anchors: Path, *, at: datetime
) -> tuple[Credentials, TrustBundle]:
    """
    What three files hold, if peers with the same anchors would take it at *at*.

    InvalidCredentials and InvalidTrustBundle name the file.
    """
    credentials = load_credentials(certificate, key)
    bundle = load_bundle(trust_anchors, at=at)
    try:
        fitness.check(credentials, bundle, at=at)
    except fitness.OutOfTime as error:
        raise InvalidCredentials(f"{certificate}: {error}") from error
    except fitness.NotVouchedFor as error:
        raise InvalidCredentials(f"{certificate} under {trust_anchors}: {error}") from error
    return credentials, bundle


def load_credentials(certificate: Path, key: Path) -> Credentials:
    """The credentials of two files. InvalidCredentials names them."""
    try:
        return Credentials.from_pem(pem.read(certificate), pem.read(key))
    except pem.Unreadable as error:
        raise InvalidCredentials(str(error)) from error
    except InvalidCredentials as error:
        raise InvalidCredentials(f"{certificate} with {key}: {error}") from error


def load_bundle(trust_anchors: Path, *, at: datetime | None = None) -> TrustBundle:
    """The trust anchors of a file; with *at*, one of them valid then. InvalidTrustBundle names it."""
    try:
        return TrustBundle.from_pem(pem.read(trust_anchors), at=at)
    except pem.Unreadable as error:
        raise InvalidTrustBundle(str(error)) from error
    except InvalidTrustBundle as error:
        raise InvalidTrustBundle(f"{trust_anchors}: {error}") from error


def mutual(protocol: int, credentials: Credentials, bundle: TrustBundle) -> ssl.SSLContext:
    """A context that shows *credentials* and takes whom *bundle* vouches for."""
    context = bare(protocol)
    context.verify_mode = ssl.CERT_REQUIRED
    # Neither STRICT, which refuses roots as plain `openssl req -x509` makes them, nor
    # PARTIAL_CHAIN, which ends chains below the anchor: Python 3.13 sets both in its defaults.
    context.verify_flags = ssl.VerifyFlags.VERIFY_X509_TRUSTED_FIRST
    context.load_verify_locations(cadata=bundle.pem.decode())
    held = {anchor.public_bytes(Encoding.DER) for anchor in bundle.anchors}
    if set(context.get_ca_certs(binary_form=True)) != held:
        raise InvalidTrustBundle("OpenSSL holds other trust anchors than were read: none is to be believed")
    show(context, credentials)
    return context


def one_sided(credentials: Credentials) -> ssl.SSLContext:
    """
    A server's context that shows *credentials* and asks the client for none.

    For the identity service alone: whoever comes there has no certificate yet, and shows a token.
    """
    context = bare(ssl.PROTOCOL_TLS_SERVER)
    context.set_alpn_protocols(["http/1.1"])
    show(context, credentials)
    return context


def bare(protocol: int) -> ssl.SSLContext:
    """TLS 1.3 without resumption, before any certificate or anchor."""
    context = ssl.SSLContext(protocol)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.options |= ssl.OP_NO_TICKET | ssl.OP_NO_COMPRESSION
    if protocol == ssl.PROTOCOL_TLS_SERVER:
        context.num_tickets = 0
    # The server's name is compared by `verification`, in its strict form.
    context.check_hostname = False
    return context


def show(context: ssl.SSLContext, credentials: Credentials) -> None:
    """Load chain and key into *context* without the key ever being on a disk."""
    with _in_memory(credentials.key_pem + credentials.chain_pem) as path:
        context.load_cert_chain(path)


@contextmanager
def _in_memory(data: bytes) -> Iterator[str]:
    """A path that OpenSSL can open, to *data* in memory."""
    descriptor = os.memfd_create("jackstay", os.MFD_CLOEXEC)
    try:
        with os.fdopen(os.dup(descriptor), "wb") as file:
            file.write(data)
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)
