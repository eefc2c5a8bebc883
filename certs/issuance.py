"""
One certificate from the identity service: asked for with our token, and looked at before it is believed.

The token opens a certificate to whoever holds it, so it is sent only when the other end has been verified,
in the three layers in which every peer is: OpenSSL against our own trust anchors, `cryptography`, and our
profile with the exact identity of the service. The verdict falls inside the handshake, before a byte of ours.

The key is made here, for one request, and is never anywhere but in memory.
"""

import asyncio
import json
import os
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import aiohttp

from certs import fitness, signing_request
from certs.account_token import AccountToken
from certs.authority import new_key
from certs.credentials import Credentials, InvalidCredentials, key_pem
from certs.generation import bare
from certs.identity import Identity
from certs.revocation import Revocations
from certs.service import PATH
from certs.trust_bundle import TrustBundle
from certs.verification import Untrusted, peer_chain, verify
from process.address import Address

DEADLINE = 30.0
"""Seconds for a whole request, connecting included: of a thousand that come at once the last one waits."""

MOST = 64 * 1024
"""Bytes of an answer."""

_MOST_SAID = 500
"""Characters of the service's own words that go into a log."""


class NotIssued(Exception):
    """No certificate this time; the sentence says why, and holds nothing secret."""

    def __init__(self, sentence: str, *, again_in: float | None = None) -> None:
        super().__init__(sentence)
        self.again_in = again_in
        """Seconds for which the service asks to be left alone."""


@dataclass(frozen=True, slots=True)
class IdentityServer:
    """Where certificates are issued, and by whom."""

    address: Address
    identity: str
    """The DNS name that its own leaf must have."""

    def __str__(self) -> str:
        return f"the identity service at {self.address}"


async def issued(
    server: IdentityServer,
    identity: Identity,
    token: AccountToken,
    bundle: TrustBundle,
    *,
    now: Callable[[], datetime],
    deadline: float = DEADLINE,
    revocations: Revocations | None = None,
) -> Credentials:
    """
    A chain for a new key of ours, in the name of *identity*, which *bundle* vouches for now.

    The service itself must not be revoked by *revocations*.

    Raises NotIssued.
    """
    key = new_key()
    csr = signing_request.make(identity, key)
    body = {"identity": identity.dns_name, "token": token.text, "csr": csr.decode()}
    chain = await _asked(server, body, _context(server.identity, bundle, now, revocations), deadline)
    try:
        credentials = Credentials.from_pem(chain, key_pem(key))
        if credentials.identity != identity.dns_name:
            raise NotIssued(
                f"{server} has sent a certificate of {credentials.identity}, where we are {identity.dns_name}"
            )
        fitness.check(credentials, bundle, at=now())
    except InvalidCredentials as error:
        raise NotIssued(f"{server} has sent a certificate that cannot be used: {error}") from error
    return credentials


async def _asked(
    server: IdentityServer, body: dict[str, str], context: ssl.SSLContext, deadline: float
) -> bytes:
    """The chain in the answer, as PEM, not looked at. Raises NotIssued."""
    try:
        async with (
            asyncio.timeout(deadline),
            # A connection for each request: there is one a day. And nothing of the environment, no proxies.
            aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=context, force_close=True),
                trust_env=False,
                auto_decompress=False,
            ) as session,
            session.post(f"https://{server.address}{PATH}", json=body, allow_redirects=False) as answer,
        ):
            data = await _read(answer.content)
            status, retry_after = answer.status, answer.headers.get("Retry-After")
    except TimeoutError as error:
        raise NotIssued(f"{server} has not answered within {deadline:g} s") from error
    except (aiohttp.ClientError, OSError) as error:
        raise NotIssued(f"{server} cannot be asked: {_words(error)}") from error
    except _TooLong as error:
        raise NotIssued(f"{server} answers with more than {MOST} bytes") from error
    return _chain(server, status, _document(data), _seconds(retry_after))


class _TooLong(Exception):
    """The answer does not end."""


async def _read(content: aiohttp.StreamReader) -> bytes:
    data = bytearray()
    async for chunk in content.iter_any():
        data += chunk
        if len(data) > MOST:
            raise _TooLong
    return bytes(data)


def _chain(server: IdentityServer, status: int, said: dict[str, Any], again_in: float | None) -> bytes:
    match said:
        case {"chain": str(chain)} if status == 200:
            return chain.encode(errors="replace")
        case {"error": str(reason), "message": str(message)} if status != 200:
            words = f"{_printable(message)} ({_printable(reason)})"
            raise NotIssued(f"{server} gives no certificate: {words}", again_in=again_in)
    raise NotIssued(f"{server} answers {status} and nothing that we understand", again_in=again_in)


# Any: what JSON can say.
def _document(data: bytes) -> dict[str, Any]:
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _seconds(text: str | None) -> float | None:
    """Retry-After, of which we know the form that the service uses: whole seconds."""
    return float(text) if text is not None and text.isascii() and text.isdigit() and len(text) < 10 else None


def _printable(text: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in text[:_MOST_SAID])


def _words(error: Exception) -> str:
    """What went wrong with a connection, without the library's own frame around it."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        refusal = error.certificate_error
        if isinstance(refusal, ssl.SSLCertVerificationError):
            return f"it does not prove to be it: {refusal.verify_message}"
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return f"its name cannot be resolved: {error.os_error.strerror}"
    if isinstance(error, aiohttp.ClientConnectorError):
        inner = error.os_error
        return os.strerror(inner.errno) if inner.errno else str(inner)
    return str(error) or type(error).__name__


def _context(
    server: str, bundle: TrustBundle, now: Callable[[], datetime], revocations: Revocations | None
) -> ssl.SSLContext:
    """For connections to whoever *bundle* vouches for as *server*; we show no certificate, having none."""

    class Verified(ssl.SSLObject):
        """A handshake that succeeds only if the other end is *server*."""

        def do_handshake(self) -> None:
            super().do_handshake()
            try:
                peer = verify(peer_chain(self), bundle, role="server", at=now(), revocations=revocations)
            except Untrusted as error:
                raise _refusal(str(error)) from error
            if peer.identity != server:
                raise _refusal(f"it is {peer.identity}, and must be {server}")

    context = bare(ssl.PROTOCOL_TLS_CLIENT)
    context.verify_mode = ssl.CERT_REQUIRED
    context.verify_flags = ssl.VerifyFlags.VERIFY_X509_TRUSTED_FIRST
    context.load_verify_locations(cadata=bundle.pem.decode())
    context.set_alpn_protocols(["http/1.1"])
    context.sslobject_class = Verified
    return context


def _refusal(sentence: str) -> ssl.SSLCertVerificationError:
    """What ends a handshake, in the form in which OpenSSL's own refusals come."""
    refusal = ssl.SSLCertVerificationError(sentence)
    refusal.verify_message = sentence
    return refusal
