"""
The story, step by step, as the guide tells it.

A step does something by the means a person has, a command, a process, a change through the
API, and then says what it saw somewhere else. To add one, write a function and a row.
"""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import yaml

from cli.demo import objects
from cli.demo.objects import PODINFO, SERVICE_PORT, TEST
from cli.demo.observe import NotYet, answer, closed, gone, knock, ready, there, until
from cli.demo.processes import Failed
from cli.demo.stage import Site, Stage, apply, together
from cli.manifests import (
    EXPORTED_LABEL,
    GATEWAY,
    MIRROR,
    REMOTE_ACCESS,
    gateway_service,
    namespace,
    service_account,
)
from cli.options import CLUSTER_DOMAIN, NAMESPACE
from cluster.client import Cluster
from cluster.kinds import ENDPOINTS, LINK, POD, SERVICE
from cluster.kinds import NAMESPACE as NAMESPACE_KIND
from cluster.objects import Endpoints, Link, Service
from process.address import Address

MIRRORED = f"{PODINFO}-east"


@dataclass(frozen=True, slots=True)
class Step:
    """One step: its name, what it sets out to show, and how. *play* returns what it saw, or raises Failed."""

    name: str
    title: str
    play: Callable[[Stage], Awaitable[str]]


async def clusters(stage: Stage) -> str:
    for site in stage.sites:
        await stage.processes.start(
            f"cluster-{site.name}",
            "local-cluster",
            *("--name", site.name),
            *("--listen", str(site.api)),
            *("--service-range", site.network.range),
            *("--data", str(stage.directory / f"{site.name}.data")),
            *("--kubeconfig", str(site.kubeconfig)),
            "--allow-loopback",
        )
    for site in stage.sites:
        await until(
            partial(_serves, site), f"the API of {site.name}", stage.processes[f"cluster-{site.name}"]
        )
    return ", ".join(f"{site.name} at {site.api}" for site in stage.sites)


async def _serves(site: Site) -> None:
    if not site.kubeconfig.exists():
        raise NotYet(f"{site.kubeconfig} is not there")
    async with site.api_client() as cluster:
        await there(cluster, NAMESPACE_KIND, None, "default")


async def certificates(stage: Stage) -> str:
    run, anchor = stage.processes.run, stage.anchor
    other = stage.files("other-root")
    await together(
        run("certs", "root", *anchor.both),
        run("certs", "root", *other.both, "--name", "root.somebody-else"),
    )
    issuers = {site: stage.files(f"{site.name}-issuer") for site in stage.sites}
    await together(
        *(
            run("certs", "issuer", *files.both, *anchor.authority, "--trust-domain", site.trust_domain)
            for site, files in issuers.items()
        )
    )
    west, east = (issuers[site].authority for site in stage.sites)
    web = stage.west.identity("web", TEST)
    await together(
        run("certs", "leaf", stage.gateway_identity, *stage.files("gateway").both, *east),
        run("certs", "leaf", stage.west.identity(MIRROR), *stage.files("mirror").both, *west),
        run("certs", "leaf", web, *stage.client.both, *west),
        run("certs", "leaf", web, *stage.stranger.both, *other.authority),
    )
    made = [stage.files(name).both[0] for name in ("gateway", "mirror", "web")]
    await run("certs", "inspect", *made, "--trust-anchors", str(anchor.certificate))
    return (
        f"one trust anchor, issuers for {stage.east.trust_domain} and {stage.west.trust_domain}, three leaves"
    )


async def application(stage: Stage) -> str:
    for site in stage.sites:
        await stage.processes.start(
            f"podinfo-{site.name}",
            *("podinfo", "--listen", str(site.pod), "--cluster", site.name),
            *("--hostname", objects.podinfo_pod(site.name)),
        )
    await together(*(_deploy(stage, site) for site in stage.sites))
    return " and ".join(f"podinfo of {site.name} answers at {site.pod}" for site in stage.sites)


async def _deploy(stage: Stage, site: Site) -> None:
    async with site.api_client() as cluster:
        await apply(cluster, namespace(TEST), *objects.podinfo(site.name, site.pod))
        await until(
            partial(_greets, f"http://{site.pod}/", site.name),
            f"podinfo of {site.name}",
            stage.processes[f"podinfo-{site.name}"],
        )
        pod = objects.podinfo_pod(site.name)
        await cluster.patch_status(POD, TEST, pod, objects.running(site.pod))


async def _greets(url: str, cluster: str) -> str:
    said = (await answer(url)).get("message")
    if said != f"greetings from {cluster}":
        raise NotYet(f"{url} says {said!r}")
    return str(said)


async def install(stage: Stage) -> str:
    east, west = stage.east, stage.west
    anchors = ("--trust-anchors", str(stage.anchor.certificate))
    async with east.api_client() as cluster:
        await apply(
            cluster,
            namespace(NAMESPACE),
            service_account(GATEWAY, NAMESPACE),
            service_account(REMOTE_ACCESS, NAMESPACE),
            gateway_service(
                NAMESPACE, stage.gateway_identity, port=east.gateway.port, probe_port=east.probe.port
            ),
        )
        await cluster.patch_status(SERVICE, NAMESPACE, GATEWAY, objects.balanced(east.gateway))
    async with west.api_client() as cluster:
        await apply(cluster, namespace(NAMESPACE), service_account(MIRROR, NAMESPACE))
    gateway = await stage.processes.start(
        "gateway-east",
        "gateway",
        *east.reached,
        *("--listen", str(east.gateway), "--probe", str(east.probe), "--admin", str(east.gateway_admin)),
        *(*stage.files("gateway").options, *anchors),
        *("--cluster-name", east.name, "--cluster-domain", CLUSTER_DOMAIN),
        *("--allow-loopback-backends", "--drain-delay", "0"),
    )
    mirror = await stage.processes.start(
        "mirror-west",
        "mirror",
        *west.reached,
        *("--admin", str(west.mirror_admin)),
        *(*stage.files("mirror").options, *anchors),
        "--allow-loopback",
    )
    outbound = await stage.processes.start(
        "outbound-west",
        *("outbound", "--mode", "cluster-ip"),
        *west.reached,
        *("--admin", str(west.outbound_admin)),
        *(*stage.client.options, *anchors),
        "--allow-loopback",
    )
    await until(partial(ready, east.probe), "the gateway's probe port", gateway)
    await until(partial(ready, east.gateway_admin), "the gateway", gateway)
    await until(partial(ready, west.mirror_admin), "the mirror", mirror)
    await until(partial(ready, west.outbound_admin), "the outbound proxy", outbound)
    return "gateway in east, mirror and outbound proxy in west are ready"


async def link(stage: Stage) -> str:
    printed = await stage.processes.run("link", *stage.east.reached, "--cluster-name", stage.east.name)
    async with stage.west.api_client() as cluster:
        await apply(cluster, *yaml.safe_load_all(printed))
        return await until(
            partial(_linked, cluster, stage.east.name),
            "west sees the gateway of east",
            stage.processes["mirror-west"],
            stage.processes["gateway-east"],
        )


async def _linked(cluster: Cluster, name: str) -> str:
    found = Link.from_dict(await there(cluster, LINK, NAMESPACE, name))
    gateway = found.status.get("gateway") or {}
    if gateway.get("alive") is not True:
        raise NotYet(f"the Link's status is {json.dumps(dict(found.status))[:400]}")
    away = f"{gateway.get('latencyMilliseconds')} ms away"
    return f"west sees the gateway {found.spec['gatewayAddress']} alive, {away}"


async def export(stage: Stage) -> str:
    """Label `podinfo` in east; its mirror appears in west."""
    await _label(stage.east, wanted=True)
    async with stage.west.api_client() as cluster:
        address = await until(
            partial(_mirrored, cluster, stage.east.gateway),
            f"{MIRRORED} in west",
            stage.processes["mirror-west"],
        )
    return f"west has {TEST}/{MIRRORED} at {address}, leading to the gateway {stage.east.gateway}"


async def _label(site: Site, *, wanted: bool) -> None:
    async with site.api_client() as cluster:
        await cluster.patch(SERVICE, TEST, PODINFO, objects.exported(EXPORTED_LABEL, wanted=wanted))


async def _mirrored(cluster: Cluster, gateway: Address) -> Address:
    """Where the mirror is, once it is there and its Endpoints are the gateway."""
    service = Service.from_dict(await there(cluster, SERVICE, TEST, MIRRORED))
    endpoints = Endpoints.from_dict(await there(cluster, ENDPOINTS, TEST, MIRRORED))
    led = [
        Address(address.ip, port.port or 0)
        for subset in endpoints.subsets
        for address in subset.addresses
        for port in subset.ports
    ]
    if led != [gateway]:
        raise NotYet(f"the endpoints of {MIRRORED} are {[str(address) for address in led]}")
    return Address(service.cluster_ip, SERVICE_PORT)


async def mirror_address(stage: Stage) -> Address:
    """Where `podinfo-east` is reached in west. Raises Failed if it is not there."""
    async with stage.west.api_client() as cluster:
        return await until(partial(_mirrored, cluster, stage.east.gateway), f"{MIRRORED} in west")


async def call(stage: Stage) -> str:
    """A client in west calls `podinfo-east` and hears from east."""
    url = f"http://{await mirror_address(stage)}/"
    said = await until(
        partial(_greets, url, stage.east.name),
        f"a call of {MIRRORED} from west",
        stage.processes["outbound-west"],
        stage.processes["gateway-east"],
    )
    return f'{url} says "{said}"'


async def nobody(stage: Stage) -> str:
    """Who shows no certificate is refused, where a workload of west's is not."""
    gateway, anchors = stage.east.gateway, stage.anchor.certificate
    if said := await _knock(stage, (stage.client.certificate, stage.client.key)):
        raise Failed(f"the gateway {gateway} refuses even a workload of west's: {said}")
    if not (said := await _knock(stage, None)):
        raise Failed(f"the gateway {gateway} talks with a client that has no certificate ({anchors})")
    return f"refused by {gateway}: {said}; a workload of west's is let in"


async def stranger(stage: Stage) -> str:
    """Who shows the right name by another anchor is refused."""
    if not (said := await _knock(stage, (stage.stranger.certificate, stage.stranger.key))):
        raise Failed(f"the gateway {stage.east.gateway} talks with a client of another trust anchor")
    return f"refused by {stage.east.gateway}: {said}"


async def _knock(stage: Stage, shown: tuple[Path, Path] | None) -> str:
    return await until(
        partial(knock, stage.east.gateway, stage.anchor.certificate, shown),
        "a word from the gateway",
        stage.processes["gateway-east"],
    )


async def gateways(stage: Stage) -> str:
    """`jackstay gateways` shows the gateway of east, alive, and what comes through it."""
    return await until(
        partial(_shown_alive, stage), "`jackstay gateways` of west", stage.processes["mirror-west"]
    )


async def _shown_alive(stage: Stage) -> str:
    rows = json.loads(await stage.processes.run("gateways", *stage.west.reached, "-o", "json"))
    shown = [(row["clusterName"], row["alive"], row["numberOfServices"]) for row in rows]
    if shown != [(stage.east.name, True, 1)]:
        raise NotYet(f"it shows {rows}")
    return f"east: alive, 1 service, {rows[0]['latency']} ms away"


async def withdraw(stage: Stage) -> str:
    """Take the label away; the mirror goes, and nobody answers where it was."""
    address = await mirror_address(stage)
    await _label(stage.east, wanted=False)
    mirror, outbound = stage.processes["mirror-west"], stage.processes["outbound-west"]
    async with stage.west.api_client() as cluster:
        await until(partial(gone, cluster, SERVICE, TEST, MIRRORED), f"{MIRRORED} goes", mirror)
    await until(partial(closed, address), f"nobody answers at {address}", outbound)
    return f"{TEST}/{MIRRORED} is gone from west, and {address} is closed"


async def export_again(stage: Stage) -> str:
    """Export and call once more, to be left running."""
    await export(stage)
    return await call(stage)


STORY = (
    Step("clusters", "Start two clusters, west and east", clusters),
    Step("certificates", "Make one trust anchor, and an issuer for each cluster", certificates),
    Step("application", "Run podinfo in both clusters", application),
    Step("install", "Run the gateway in east, the mirror and the outbound proxy in west", install),
    Step("link", "Link east to west", link),
    Step("export", "Export podinfo from east by a label", export),
    Step("call", "Call podinfo-east from west", call),
    Step("no-certificate", "Knock at the gateway without a certificate", nobody),
    Step("other-anchor", "Knock at the gateway with a stranger's certificate", stranger),
    Step("gateways", "Ask west which gateways live", gateways),
    Step("withdraw", "Withdraw the export", withdraw),
)
KEEP = (Step("export-again", "Export podinfo again, to be left running", export_again),)
"""What follows if everything is to keep running."""
