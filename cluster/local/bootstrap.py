"""What is in a cluster before anybody has done anything, and is put back at each start if it is missing."""

from collections.abc import Mapping
from ipaddress import IPv4Network

from cluster.kinds import ENDPOINT_SLICE, ENDPOINTS, NAMESPACE, SERVICE, Kind
from cluster.local import addresses
from cluster.local.registry import ALWAYS_THERE, Registry
from cluster.local.resources import RESOURCES
from cluster.local.store import Store
from cluster.metadata import Key, Raw
from process.address import Address

_ROWS = {row.kind: row for row in RESOURCES}
_API = "kubernetes"


def settle(store: Store, registry: Registry, listen: Address, network: IPv4Network) -> None:
    """The first namespaces, and the Service `kubernetes`, which leads to *listen*."""
    for name in ALWAYS_THERE:
        if store.find(NAMESPACE, Key("", name)) is None:
            registry.create(_ROWS[NAMESPACE], "", {"metadata": {"name": name}})
    port = {"name": "https", "port": listen.port, "protocol": "TCP"}
    host = listen.host or "127.0.0.1"
    labels = {"component": "apiserver", "provider": "kubernetes"}
    service = {
        "type": "ClusterIP",
        "clusterIP": addresses.own(network),
        "ports": [{**port, "port": 443, "targetPort": listen.port}],
    }
    wanted: Mapping[Kind, Raw] = {
        SERVICE: {"metadata": {"labels": labels}, "spec": service},
        ENDPOINTS: {
            "metadata": {"labels": {"endpointslice.kubernetes.io/skip-mirror": "true"}},
            "subsets": [{"addresses": [{"ip": host}], "ports": [port]}],
        },
        ENDPOINT_SLICE: {
            "metadata": {"labels": {"kubernetes.io/service-name": _API}},
            "addressType": "IPv6" if listen.family_is_v6 else "IPv4",
            "endpoints": [{"addresses": [host], "conditions": {"ready": True}}],
            "ports": [port],
        },
    }
    key = Key("default", _API)
    for kind, body in wanted.items():
        if store.find(kind, key) is None:
            body["metadata"]["name"] = _API
            registry.create(_ROWS[kind], key.namespace, body)
        elif kind != SERVICE:
            current = store.get(kind, key)
            registry.replace(_ROWS[kind], key, {**current, **body, "metadata": current["metadata"]})
