"""Clusters and processes asked side by side: what is not answered in time is said, and not waited for."""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any

import aiohttp

from certs import anchors
from certs.credentials import InvalidCredentials, read_chain
from certs.trust_bundle import InvalidTrustBundle, TrustBundle
from cli.install.parts import ADMIN_PORT, BUNDLE_KEY, ISSUER_SECRET, TRUST_BUNDLE
from cli.rotation import said
from cli.rotation.seen import Issuer, Place, Process, Seen, Unread
from cluster.access import Access
from cluster.client import Cluster
from cluster.errors import ClusterError, Forbidden
from cluster.kinds import CONFIG_MAP, POD, SECRET, Kind
from cluster.metadata import Raw
from cluster.objects import Secret
from cluster.reading import Fields, Malformed
from process.address import Address

OURS = "app.kubernetes.io/name=jackstay"
PROXIES = "jackstay.io/proxy=outbound"
"""What a pod with the client's end beside its application is labelled, in any namespace."""

COMMANDS = frozenset({"gateway", "identity", "mirror", "outbound"})
"""What processes of ours are started as: first, or behind the program's name."""

AT_ONCE = 50
LARGEST = 16 << 20
_OVER = ("Succeeded", "Failed")


async def look(
    clusters: Iterable[tuple[str, Access]],
    processes: Iterable[Address],
    places: Iterable[Place] = (),
    *,
    patience: float,
) -> Seen:
    """
    What *clusters*, by context, and *processes*, by admin address, say; *places* are known already.

    No question is waited for longer than *patience* seconds. Raises nothing of what goes wrong there.
    """
    named = tuple(clusters)
    async with asyncio.TaskGroup() as tasks:
        asked = [tasks.create_task(_cluster(context, access, patience)) for context, access in named]
        asked += [tasks.create_task(_process(address, patience)) for address in processes]
    found = [Seen(places=tuple(places)), *(task.result() for task in asked)]
    return Seen(
        tuple(one for part in found for one in part.processes),
        tuple(one for part in found for one in part.places),
        tuple(one for part in found for one in part.issuers),
        tuple(one for part in found for one in part.unread),
        tuple(context for context, _ in named),
    )


async def _cluster(context: str, access: Access, patience: float) -> Seen:
    try:
        async with Cluster(access, deadline=patience) as cluster:
            return await _whole(context, cluster, patience)
    except TimeoutError:
        return Seen(
            unread=(
                Unread(context, f"{context}: no whole answer within {2 * patience:g} s (twice --timeout)"),
            )
        )
    except ClusterError as error:
        return Seen(unread=(Unread(context, str(error)),))
    except Malformed as error:
        return Seen(unread=(Unread(context, f"{context}: an object cannot be read: {error}"),))


async def _whole(context: str, cluster: Cluster, patience: float) -> Seen:
    # Several pages, or a plugin that asks somebody for a password, are not waited for either.
    async with asyncio.timeout(2 * patience), asyncio.TaskGroup() as tasks:
        maps = tasks.create_task(_named(cluster, CONFIG_MAP, TRUST_BUNDLE))
        secrets = tasks.create_task(_named(cluster, SECRET, ISSUER_SECRET))
        pods = [tasks.create_task(_pods(cluster, selector)) for selector in (OURS, PROXIES)]
    answers = [maps.result(), secrets.result(), *(task.result() for task in pods)]
    failed = dict.fromkeys(str(answer) for answer in answers if isinstance(answer, ClusterError))
    configured, issuing, *running = [() if isinstance(one, ClusterError) else one for one in answers]
    places = tuple(place(context, raw) for raw in configured)
    bundles = [known.bundle for known in places if known.bundle]
    each = {(_of(pod, "namespace"), _of(pod, "name")): pod for found in running for pod in found}
    turns = asyncio.Semaphore(AT_ONCE)
    async with asyncio.TaskGroup() as tasks:
        told = [
            tasks.create_task(_process_in(context, cluster, pod, port, turns))
            for _, pod in sorted(each.items())
            for port in admin_ports(pod)
        ]
    return Seen(
        tuple(task.result() for task in told),
        places,
        tuple(issuer(context, raw, bundles) for raw in issuing),
        tuple(Unread(context, why) for why in failed),
    )


Found = Sequence[Raw] | ClusterError


async def _named(cluster: Cluster, kind: Kind, name: str) -> Found:
    """The objects of that name in all namespaces, or why they cannot be had."""
    try:
        return (await cluster.list(kind, field_selector=f"metadata.name={name}")).items
    except Forbidden as error:
        return Forbidden(f"{error} (needed is `list` on {kind.plural} in all namespaces)")
    except ClusterError as error:
        return error


async def _pods(cluster: Cluster, selector: str) -> Found:
    try:
        pods = (await cluster.list(POD, label_selector=selector)).items
    except Forbidden as error:
        return Forbidden(f"{error} (needed is `list` on pods in all namespaces)")
    except ClusterError as error:
        return error
    return [pod for pod in pods if (pod.get("status") or {}).get("phase") not in _OVER]


async def _process_in(
    context: str, cluster: Cluster, pod: Raw, port: int, turns: asyncio.Semaphore
) -> Process:
    namespace, name = _of(pod, "namespace"), _of(pod, "name")
    called = name if len(admin_ports(pod)) == 1 else f"{name}:{port}"
    phase = (pod.get("status") or {}).get("phase", "")
    if phase != "Running":
        return Process(context, namespace, called, None, f"the pod is {phase or 'not running yet'}")
    try:
        async with turns:
            answer = await cluster.ask_pod(namespace, name, port, "/metrics")
        return Process(context, namespace, called, said.held(answer.decode("utf-8", "replace")))
    except (ClusterError, said.Unreadable) as error:
        needed = f" (needed is `get` on pods/proxy in namespace {namespace})"
        why = str(error).removeprefix(f"{context}: ") + (needed if isinstance(error, Forbidden) else "")
        return Process(context, namespace, called, None, why)


async def _process(address: Address, patience: float) -> Seen:
    reached = Address(address.host or "127.0.0.1", address.port)
    try:
        found = Process("", "", str(reached), said.held(await _metrics(reached, patience)))
    except TimeoutError:
        found = Process("", "", str(reached), None, f"no answer within {patience:g} s")
    except aiohttp.ClientError as error:
        why = getattr(error, "strerror", None) or str(error) or type(error).__name__
        found = Process("", "", str(reached), None, f"it cannot be reached: {why}")
    except said.Unreadable as error:
        found = Process("", "", str(reached), None, str(error))
    return Seen((found,))


async def _metrics(address: Address, patience: float) -> str:
    timeout = aiohttp.ClientTimeout(total=patience)
    async with (
        aiohttp.ClientSession(timeout=timeout, trust_env=False) as session,
        session.get(f"http://{address}/metrics", allow_redirects=False) as answer,
    ):
        if answer.status != 200:
            raise said.Unreadable(f"it answers {answer.status} to GET /metrics")
        body = bytearray()
        async for chunk in answer.content.iter_any():
            body += chunk
            if len(body) > LARGEST:
                raise said.Unreadable(f"its /metrics are over {LARGEST} bytes")
    return body.decode("utf-8", "replace")


def place(context: str, raw: Raw) -> Place:
    """A ConfigMap of trust anchors, read."""
    namespace = _of(raw, "namespace")
    text = (raw.get("data") or {}).get(BUNDLE_KEY)
    if not isinstance(text, str):
        return Place(context, namespace, None, f"it has no key {BUNDLE_KEY}", raw)
    try:
        return Place(context, namespace, TrustBundle.from_pem(text.encode()), raw=raw)
    except InvalidTrustBundle as error:
        return Place(context, namespace, None, str(error), raw)


def issuer(context: str, raw: Raw, bundles: Sequence[TrustBundle]) -> Issuer:
    """An issuer's Secret, read: under which anchor of *bundles* it is. The key in it is not looked at."""
    namespace = _of(raw, "namespace")
    try:
        chain = read_chain(Secret.from_dict(raw).data["tls.crt"])
    except KeyError:
        return Issuer(context, namespace, "", "it has no key tls.crt")
    except (Malformed, InvalidCredentials) as error:
        return Issuer(context, namespace, "", f"it cannot be read: {error}")
    known = [anchor for bundle in bundles for anchor in bundle.anchors]
    above = anchors.anchor_above(chain, anchors.of(known)) if known else None
    return Issuer(context, namespace, "" if above is None else anchors.fingerprint(above))


def admin_ports(pod: Raw) -> tuple[int, ...]:
    """
    The ports named `admin` of the containers in *pod* that run a command of ours: one for each process.

    Our usual one where none has that name. An application may have such a port too: it counts only where no
    command is known, and then the first.
    """
    spec: Any = pod.get("spec") or {}
    ours: list[int] = []
    others: list[int] = []
    for container in (*(spec.get("initContainers") or ()), *(spec.get("containers") or ())):
        named = [
            int(port["containerPort"])
            for port in container.get("ports") or ()
            if port.get("name") == "admin" and isinstance(port.get("containerPort"), int)
        ]
        words = [*(container.get("command") or ()), *(container.get("args") or ())]
        if COMMANDS.intersection(words[:3]):
            ours += named or [ADMIN_PORT]
        else:
            others += named
    return tuple(dict.fromkeys(ours or others[:1])) or (ADMIN_PORT,)


def _of(raw: Raw, name: str) -> str:
    return Fields.of(raw).below("metadata").text(name)
