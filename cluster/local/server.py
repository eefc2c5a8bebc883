"""The local cluster as a whole: its state, its certificates, and the server that listens."""

import secrets
import uuid
from collections.abc import Callable
from contextlib import AsyncExitStack, closing
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from cluster import kubeconfig
from cluster.access import Access
from cluster.local import addresses, bootstrap, tls
from cluster.local.journal import Journal
from cluster.local.registry import Registry
from cluster.local.store import HISTORY, Change, Store
from cluster.local.surface import MAX_BODY, Surface
from cluster.local.tokens import Authority
from cluster.local.validation import Rules
from cluster.local.watches import Streams
from process.address import Address

ANYWHERE = Address("127.0.0.1", 0)


def _now() -> datetime:
    return datetime.now(UTC)


def _new_uid() -> str:
    return str(uuid.uuid4())


class LocalCluster:
    """
    A small Kubernetes API server, which runs while the block does.

    With a *data* file its objects, versions, certificate authority and tokens outlive it, whatever ends
    it; a port that was chosen for it (0) is taken again. Without one, all is gone afterwards. Entering
    raises OSError if it cannot listen, and `journal.Unusable` if the file is not to be had.
    """

    def __init__(
        self,
        *,
        name: str = "local",
        listen: Address = ANYWHERE,
        service_range: str = "127.96.0.0/16",
        allow_loopback: bool = False,
        data: Path | None = None,
        history: int = HISTORY,
        bookmark_every: float = 60.0,
        now: Callable[[], datetime] = _now,
        new_uid: Callable[[], str] = _new_uid,
    ) -> None:
        self.name = name
        self.address = listen
        """Where it listens; the port as bound once the block is entered."""
        self._network = addresses.service_range(service_range)
        self._rules = Rules(allow_loopback=allow_loopback)
        self._data = data
        self._history = history
        self._bookmark_every = bookmark_every
        self._now = now
        self._new_uid = new_uid
        self._identity: dict[str, Any] = {}
        self._opened = AsyncExitStack()

    @property
    def access(self) -> Access:
        """How the administrator reaches it."""
        host = self.address.host or "127.0.0.1"
        return Access(
            f"https://{Address(host, self.address.port)}",
            self._identity["ca"].encode(),
            self._identity["admin_token"],
            name=self.name,
        )

    @property
    def kubeconfig(self) -> bytes:
        """The administrator's, with one context called as the cluster."""
        access = self.access
        assert access.token is not None
        user = f"{self.name}-admin"
        return kubeconfig.render(access.server, access.ca_data, access.token, user=user, cluster=self.name)

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as opened:
            journal = opened.enter_context(closing(Journal.open(self._data))) if self._data else None
            store = Store(journal.record if journal else _keep_nothing, history=self._history)
            if journal:
                store.restore(journal.state.version, journal.state.objects)
                self._identity = journal.state.identity
            if not self._identity:
                self._identity |= self._new_identity()
            self.address = await self._listen(opened, store)
            self._identity["port"] = self.address.port
            if journal:
                journal.compact()
            registry = self._registry(store, Rules(allow_loopback=True))
            bootstrap.settle(store, registry, self.address, self._network)
            self._opened = opened.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._opened.aclose()

    def _new_identity(self) -> dict[str, Any]:
        certificate, key = tls.make_authority(self.name, self._now())
        return {
            "ca": certificate.decode(),
            "ca_key": key.decode(),
            "token_key": secrets.token_hex(32),
            "admin_token": secrets.token_urlsafe(32),
        }

    def _registry(self, store: Store, rules: Rules) -> Registry:
        return Registry(store, self._network, rules, now=self._now, new_uid=self._new_uid)

    async def _listen(self, opened: AsyncExitStack, store: Store) -> Address:
        """Serve *store* until *opened* is closed; where that is."""
        identity, host = self._identity, self.address.host
        authority = Authority(bytes.fromhex(identity["token_key"]), identity["admin_token"], store, self._now)
        streams = Streams(store, bookmark_every=self._bookmark_every)
        surface = Surface(
            store,
            self._registry(store, self._rules),
            authority,
            streams,
            now=self._now,
            new_uid=self._new_uid,
        )
        app = web.Application(client_max_size=MAX_BODY)
        app.router.add_route("*", "/{path:.*}", surface.handle)
        # Without handler_cancellation a watch would not notice that its client has gone.
        runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=2.0)
        await runner.setup()
        opened.push_async_callback(runner.cleanup)
        opened.callback(streams.close)
        context = tls.server_context(
            identity["ca"].encode(), identity["ca_key"].encode(), host or "127.0.0.1", self._now()
        )
        port = self.address.port or identity.get("port", 0)
        await web.TCPSite(runner, host or None, port, ssl_context=context).start()
        return Address(host, runner.addresses[0][1])


def _keep_nothing(change: Change) -> None:
    """Without a file nothing is written down."""
