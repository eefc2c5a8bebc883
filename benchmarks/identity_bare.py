"""
An identity service that asks no cluster: what issuing costs by itself.

    python -m benchmarks.identity_bare DIRECTORY HOST PORT

All but the review is as in `jackstay identity`: the same service, server, queue and log.
"""

import asyncio
import sys
from datetime import UTC, datetime
from pathlib import Path

from prometheus_client import CollectorRegistry

from certs.generation import load_bundle, load_credentials
from certs.issuer import Issuer, Settings, read_issuer
from certs.notices import Notice
from certs.rate_limit import Rate
from certs.review_queue import Account, ReviewQueue
from certs.service import IdentityService
from certs.tls_server import TlsServer
from process.address import Address
from process.run import Stopping, run

UNBOUNDED = Rate(per_second=1e6, burst=1e6)


class Believing:
    """Takes a token for what it says: NAMESPACE/NAME."""

    async def review(self, token: str, audience: str) -> Account:
        namespace, name = token.split("/")
        return Account(namespace, name)


class Silent:
    """Tells nobody."""

    def tell(self, notice: Notice) -> None:
        pass


async def serve(directory: Path, listen: Address, stopping: Stopping) -> int:
    settings, registry = Settings("jackstay", "cluster.local"), CollectorRegistry()
    bundle = load_bundle(directory / "root.crt")
    authority = read_issuer((directory / "issuer.crt").read_bytes(), (directory / "issuer.key").read_bytes())
    issuer = Issuer.tried(authority, bundle, settings, datetime.now(UTC))
    reviews = ReviewQueue(Believing(), registry)
    service = IdentityService(lambda: issuer, reviews, settings, Silent(), registry, rate=UNBOUNDED)
    async with TlsServer(service.application(), listen) as server:
        server.show(load_credentials(directory / "identity.crt", directory / "identity.key"))
        await asyncio.Event.wait(stopping)
    return 0


if __name__ == "__main__":
    where, host, port = sys.argv[1:]
    place = Address(host, int(port))
    sys.exit(run(lambda stopping: serve(Path(where), place, stopping), log_format="json"))
