"""Short ways to say what the tables of this folder are about."""

from dataclasses import replace
from typing import Any

from cluster.kinds import ENDPOINT_SLICE, ENDPOINTS, SERVICE
from cluster.objects import (
    Endpoints,
    EndpointSlice,
    Key,
    Link,
    Metadata,
    Service,
    ServicePort,
)
from mirror import marks
from mirror.link import LinkSpec, ProbeSpec
from mirror.observed import GatewayAddress, Local, Observed, Remote
from mirror.plan import Action, Create, Delete, Update, belonging
from mirror.selectors import Selector

NOW = "2026-11-26T12:00:00Z"
IP = "203.0.113.7"
IDENTITY = "jackstay-gateway.jackstay.serviceaccount.identity.jackstay.east.jackstay"
PODINFO = Key("test", "podinfo")
MIRROR = Key("test", "podinfo-east")

LINK = LinkSpec(
    name="east",
    namespace="jackstay",
    uid="link-1",
    cluster="east",
    domain="cluster.local",
    credentials="cluster-credentials-east",
    gateways=(IP,),
    gateway_identity=IDENTITY,
    probe=ProbeSpec(),
    selector=Selector({marks.EXPORTED: "true"}),
)

ALIVE = (GatewayAddress(IP, alive=True),)
DEAD = (GatewayAddress(IP, alive=False),)
UNKNOWN = (GatewayAddress(IP),)


def link(**spec: Any) -> Link:
    """A Link as an API server holds it."""
    annotations = spec.pop("annotations", {})
    fields = {
        "targetClusterName": "east",
        "targetClusterDomain": "cluster.local",
        "clusterCredentialsSecret": "cluster-credentials-east",
        "gatewayAddress": IP,
        "gatewayPort": "4143",
        "gatewayIdentity": IDENTITY,
        "probeSpec": {"path": "/ready", "port": "4191", "period": "3s"},
        "selector": {"matchLabels": {marks.EXPORTED: "true"}},
        **spec,
    }
    given = {name: value for name, value in fields.items() if value is not None}
    return Link(Metadata("east", "jackstay", "link-1", "1", annotations=annotations), given)


def service(
    name: str = "podinfo",
    *,
    namespace: str = "test",
    exported: bool = True,
    version: str = "7",
    labels: dict[str, str] | None = None,
    annotations: dict[str, str] | None = None,
    **more: Any,
) -> Service:
    """A Service of the other cluster."""
    own = {"app": name, **({marks.EXPORTED: "true"} if exported else {}), **(labels or {})}
    fields = {
        "ports": (ServicePort(9898, "http"),),
        "cluster_ip": "10.1.0.1",
        "selector": {"app": name},
        **more,
    }
    metadata = Metadata(name, namespace, f"uid-{name}", version, labels=own, annotations=annotations or {})
    return Service(metadata, **fields)


def remote(*services: Service, ready: bool = True, **more: Any) -> Remote:
    """The other cluster with *services*, which are all ready or all not."""
    items = {found.metadata.key: found for found in services}
    given = {"version": "100", "source": "server-1", "listed_at": 0.0, **more}
    return Remote(items, dict.fromkeys(items, 1) if ready else {}, **given)


EMPTY = Local(frozenset({"test"}), {}, {}, {})


def observed(where: Remote, local: Local = EMPTY, **more: Any) -> Observed:
    given = {"link": LINK, "remote": where, "local": local, "gateway": ALIVE, "now": NOW, **more}
    return Observed(**given)


def applied(local: Local, actions: list[Action]) -> Local:
    """
    What our cluster holds once *actions* were carried out, as an API server would.

    Raises AssertionError where a server would refuse one.
    """
    held: dict[str, dict[Key, Any]] = {
        SERVICE.kind: dict(local.services),
        ENDPOINTS.kind: dict(local.endpoints),
        ENDPOINT_SLICE.kind: dict(local.slices),
    }
    made: dict[Key, Service] = {}
    for number, planned in enumerate(actions):
        service = made.get(planned.mirror)
        action = belonging(planned, service) if service is not None else planned
        there, metadata = held[action.kind.kind], action.object.metadata
        version = str(1000 + sum(map(len, held.values())) + number)
        match action:
            case Create():
                assert metadata.key not in there
                new = there[metadata.key] = _made(action.object, version)
                if isinstance(new, Service):
                    made[metadata.key] = new
            case Update():
                assert there[metadata.key].metadata.resource_version == metadata.resource_version
                assert there[metadata.key].metadata.uid == metadata.uid
                changed = replace(metadata, resource_version=version)
                there[metadata.key] = replace(action.object, metadata=changed)
            case Delete():
                gone = there.pop(metadata.key).metadata
                assert (gone.uid, gone.resource_version) == (metadata.uid, metadata.resource_version)
    return replace(local, services=held["Service"], endpoints=held["Endpoints"], slices=held["EndpointSlice"])


def _made(thing: Any, version: str) -> Any:
    metadata = replace(thing.metadata, uid=f"made-{version}-{thing.metadata.name}", resource_version=version)
    given = replace(thing, metadata=metadata)
    return replace(given, cluster_ip="10.2.0.1") if isinstance(given, Service) else given


def addresses(local: Local, key: Key = MIRROR) -> tuple[list[str], list[str]] | None:
    """The ready and the other addresses of a mirror's Endpoints; None if there are none."""
    found: Endpoints | None = local.endpoints.get(key)
    if found is None:
        return None
    return (
        [address.ip for subset in found.subsets for address in subset.addresses],
        [address.ip for subset in found.subsets for address in subset.not_ready_addresses],
    )


def in_slices(local: Local, key: Key = MIRROR) -> dict[str, bool | None]:
    """Each address in a mirror's slices, and whether it is ready."""
    parts: list[EndpointSlice] = [part for part in local.slices.values() if part.service == key.name]
    return {ip: endpoint.ready for part in parts for endpoint in part.endpoints for ip in endpoint.addresses}
