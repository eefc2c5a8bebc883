"""
A mirror's whole life in one API server, which is both clusters: a Link to itself.

Many can be lived in one, each in namespaces of its own.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any
from unittest.mock import patch

from prometheus_client import CollectorRegistry

from cli.install.rights import Account
from cluster.access import Access
from cluster.client import Cluster
from cluster.errors import NotFound
from cluster.event_objects import Event, Involved
from cluster.event_recorder import EventMetrics, EventRecorder, Happening
from cluster.kinds import ENDPOINT_SLICE, ENDPOINTS, EVENT, LEASE, LINK, NAMESPACE, SECRET, SERVICE, Kind
from cluster.kubeconfig import render, strict
from cluster.metadata import Raw
from cluster.objects import Secret
from mirror import marks, token
from mirror.controller import Controller
from mirror.metrics import Metrics
from tests.support.clusters import GATEWAY, IDENTITY, QUICK, FakeGateways, kubeconfig, until
from tests.support.rights import access_of, make

SECRET_NAME = "cluster-credentials-east"
SERVICES = ("one", "two", "three")


@dataclass
class Life:
    """
    What the administrator sees and does.

    Both accounts are in the namespace *home*; *home* is also the label's value by which its Link chooses.
    """

    admin: Cluster
    home: str
    mirror: Access
    remote: Access
    between: Callable[[], Awaitable[None]]
    """Awaited after each part of it."""

    gateways: FakeGateways = field(default_factory=FakeGateways)

    @property
    def apps(self) -> str:
        return f"{self.home}-apps"

    async def find(self, kind: Kind, name: str, namespace: str = "") -> Raw | None:
        try:
            return await self.admin.get(kind, namespace or self.apps, name)
        except NotFound:
            return None

    async def service(self, name: str) -> None:
        """An exported one with a pod behind it."""
        spec = {"selector": {"app": name}, "ports": [{"name": "http", "port": 80}]}
        await make(self.admin, SERVICE, name, self.apps, {marks.EXPORTED: self.home}, spec=spec)
        await self.slice(f"{name}-0", {marks.SLICE_SERVICE: name})

    async def slice(self, name: str, labels: dict[str, str]) -> None:
        endpoints = [{"addresses": ["10.0.0.9"], "conditions": {"ready": True}}]
        ports = [{"name": "http", "port": 80, "protocol": "TCP"}]
        rest: dict[str, Any] = {"addressType": "IPv4", "endpoints": endpoints, "ports": ports}
        await make(self.admin, ENDPOINT_SLICE, name, self.apps, labels, **rest)

    async def link(self) -> None:
        """The Secret and the Link."""
        at = self.remote
        assert at.token is not None
        data = kubeconfig(render(at.server, at.ca_data, at.token, user="remote", cluster="east"))
        await make(self.admin, SECRET, SECRET_NAME, self.home, data=data)
        spec = {
            "targetClusterName": "east",
            "targetClusterDomain": "cluster.local",
            "clusterCredentialsSecret": SECRET_NAME,
            "gatewayAddress": GATEWAY,
            "gatewayPort": "4143",
            "gatewayIdentity": IDENTITY,
            "probeSpec": {"path": "/ready", "port": "4191", "period": "50ms", "failureThreshold": "2"},
            "selector": {"matchLabels": {marks.EXPORTED: self.home}},
        }
        await make(self.admin, LINK, "east", self.home, spec=spec)

    async def status(self) -> Raw:
        found = await self.find(LINK, "east", self.home)
        return dict(found.get("status", {})) if found else {}

    async def condition(self, kind: str) -> tuple[str, str]:
        """The status and the reason of a condition of the Link."""
        for one in (await self.status()).get("conditions", []):
            if one["type"] == kind:
                return one["status"], one["reason"]
        return "", ""

    async def is_ready(self, name: str) -> bool | None:
        """Whether Endpoints and slice of the mirror both have the gateway as ready; None if they differ."""
        endpoints = await self.find(ENDPOINTS, f"{name}-east")
        part = await self.find(ENDPOINT_SLICE, f"{name}-east-ipv4")
        if endpoints is None or part is None:
            return None
        by_endpoints = any("addresses" in subset for subset in endpoints.get("subsets", []))
        by_slice = any(one["conditions"]["ready"] for one in part.get("endpoints") or [])
        return by_endpoints if by_endpoints == by_slice else None

    async def ready(self, names: Iterable[str], *, ready: bool) -> None:
        for name in names:
            await until(lambda name=name: self.is_ready(name), lambda found: found is ready)  # type: ignore[misc]

    async def gone(self, *names: str) -> None:
        """Nothing is left of these mirrors."""
        for name in names:
            for kind, full in (
                (SERVICE, f"{name}-east"),
                (ENDPOINTS, f"{name}-east"),
                (ENDPOINT_SLICE, f"{name}-east-ipv4"),
            ):
                await until(lambda of=(kind, full): self.find(*of), lambda found: found is None)  # type: ignore[misc]

    async def holder(self) -> str | None:
        lease = await self.find(LEASE, "jackstay-mirror", self.home)
        return lease["spec"].get("holderIdentity") if lease else None

    async def clear(self) -> None:
        """Leave no Link behind, whatever still holds it."""
        if await self.find(LINK, "east", self.home):
            await self.admin.delete(LINK, self.home, "east")
            if await self.find(LINK, "east", self.home):
                await self.admin.patch(LINK, self.home, "east", {"metadata": {"finalizers": None}})

    @asynccontextmanager
    async def mirroring(self, **settings: Any) -> AsyncIterator[Controller]:
        """A controller with the mirror's own account, for as long as the block lasts."""
        async with Cluster(self.mirror) as own:
            # Told at once, for the whole life takes little longer than an outage that is not.
            set_so = replace(QUICK, namespace=self.home, hiccup=0.0, **settings)
            controller = Controller(own, set_so, self.gateways, Metrics(CollectorRegistry()))
            running = asyncio.create_task(controller.run())
            try:
                yield controller
                assert not running.done()
            finally:
                running.cancel()
                await asyncio.wait([running])

    async def live(self) -> None:
        """All that a mirror does, one after the other; each is waited for until it shows."""
        for name in SERVICES:
            await self.service(name)
        await make(self.admin, SERVICE, "two-east", self.apps, spec={"ports": [{"port": 1}]})
        await self.slice("three-east-ipv4", {})
        async with self.mirroring():
            await until(self.holder, bool)
            with made_long_ago(self.remote.token):
                await self.link()
                await until(self._token, lambda found: found not in (None, self.remote.token))
                await self.ready(["one"], ready=True)
            await self.between()
            for part in (
                self._something_in_the_way,
                self._gateway_dies_and_comes_back,
                self._hand_edit,
                self._withdraw,
                self._leave,
            ):
                await part()
                await self.between()
        await until(self.holder, lambda found: found == "")
        await self.tell_twice(self.mirror, self.home)
        await self.tell_twice(self.remote, self.apps)

    async def _token(self) -> str | None:
        """The one in the Secret."""
        found = await self.find(SECRET, SECRET_NAME, self.home)
        return (
            strict(Secret.from_dict(found).data["kubeconfig"], allow_loopback=True).token if found else None
        )

    async def _something_in_the_way(self) -> None:
        await until(lambda: self.condition("Synced"), lambda found: found == ("False", "Conflict"))
        await until(lambda: self.told(self.home), lambda found: "MirrorConflict" in found)
        await until(lambda: self.told(self.apps), lambda found: "ServiceMirroringSkipped" in found)
        await self.between()
        await self.admin.delete(SERVICE, self.apps, "two-east")
        await self.admin.delete(ENDPOINT_SLICE, self.apps, "three-east-ipv4")
        await self.ready(SERVICES, ready=True)
        await until(lambda: self.condition("Synced"), lambda found: found == ("True", "Synced"))

    async def _leave(self) -> None:
        await self.admin.delete(LINK, self.home, "east")
        await until(lambda: self.find(LINK, "east", self.home), lambda found: found is None)
        await self.gone(*SERVICES)

    async def told(self, namespace: str) -> list[str]:
        """The reasons of the Events there, each as often as it was told."""
        found = [Event.from_dict(raw) for raw in (await self.admin.list(EVENT, namespace=namespace)).items]
        return [event.reason for event in found for _ in range(event.count)]

    async def tell_twice(self, access: Access, namespace: str) -> None:
        """Tell the same twice, which the mirror does after some seconds only."""
        happening = Happening(Involved.of(SERVICE, namespace, "told"), "Told", "told")
        async with Cluster(access) as own:
            recorder = EventRecorder(own, "test", EventMetrics(CollectorRegistry()), pause=0.0)
            running = asyncio.create_task(recorder.run())
            try:
                for times in (1, 2):
                    recorder.tell(happening)
                    await until(
                        lambda: self.told(namespace),
                        lambda found, times=times: found.count("Told") == times,  # type: ignore[misc]
                    )
            finally:
                running.cancel()
                await asyncio.wait([running])

    async def _gateway_dies_and_comes_back(self) -> None:
        self.gateways.alive.clear()
        await self.ready(SERVICES, ready=False)
        self.gateways.alive.add(GATEWAY)
        await self.ready(SERVICES, ready=True)

    async def _hand_edit(self) -> None:
        ports = [{"name": "other", "port": 81, "targetPort": 81}]
        await self.admin.patch(SERVICE, self.apps, "one-east", {"spec": {"ports": ports}})
        await until(
            lambda: self.find(SERVICE, "one-east"),
            lambda found: found is not None and found["spec"]["ports"][0]["name"] == "http",
        )

    async def _withdraw(self) -> None:
        """One Service is no longer exported, one is deleted."""
        await self.admin.patch(SERVICE, self.apps, "one", {"metadata": {"labels": {marks.EXPORTED: None}}})
        await self.admin.delete(SERVICE, self.apps, "two")
        await self.gone("one", "two")


@contextmanager
def made_long_ago(old: str | None) -> Iterator[None]:
    """The token *old* is past half its life, for as long as the block lasts."""
    as_it_is = token.lifetime

    def lifetime(of: str) -> token.Lifetime | None:
        found = as_it_is(of)
        return replace(found, begins=found.begins - timedelta(days=1)) if found and of == old else found

    with patch.object(token, "lifetime", lifetime):
        yield


async def _on() -> None:
    return


async def born(
    admin: Cluster, mirror: Account, remote: Account, *, between: Callable[[], Awaitable[None]] = _on
) -> Life:
    """The accounts with these rights, in a namespace of their own."""
    home = f"life-{secrets.token_hex(3)}"
    for name in (home, f"{home}-apps"):
        await make(admin, NAMESPACE, name)
    return Life(
        admin,
        home,
        await access_of(admin, mirror, home),
        await access_of(admin, remote, home),
        between,
    )
