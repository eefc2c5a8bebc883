"""The remote gateway, as one Link leads to it: where it is now, and which of its addresses live."""

import asyncio
from collections.abc import Callable, Hashable, Iterator, Mapping
from functools import partial
from typing import Any

import structlog

from cluster.reading import Fields, Malformed
from mirror.crew import Work
from mirror.gateway_addresses import Resolved, Resolver, resolve
from mirror.http_probe import over_http
from mirror.link import LinkSpec
from mirror.liveness import Liveness
from mirror.metrics import Metrics
from mirror.observed import GatewayAddress
from mirror.probing import Probe, keep_probing
from mirror.settings import Settings
from mirror.status import GatewayReport, NoGateway
from process.address import Address, is_ip

log = structlog.get_logger()

UNKNOWN = Liveness()
PRESUMED = Liveness(alive=True)
"""Of a gateway that is not to be probed."""


class RemoteGateway:
    """
    What is believed of it, kept by the work in `works`.

    `moved` is called when addresses or verdicts have become others, `heard` after every probe.
    """

    def __init__(
        self,
        settings: Settings,
        probe: Probe,
        resolver: Resolver,
        metrics: Metrics,
        *,
        moved: Callable[[], None],
        heard: Callable[[], None],
    ) -> None:
        self._settings = settings
        self._probe = probe
        self._resolver = resolver
        self._metrics = metrics
        self._moved = moved
        self._heard = heard
        self._resolved = Resolved()
        self._first_hosts: tuple[str, ...] | None = None
        """What the Link said when we began: what its status says of addresses is about these."""

        self._hosts: tuple[str, ...] | None = None
        """Those of which all have been looked up."""

        self._liveness: dict[Address, Liveness] = {}
        """Of each address for as long as it is probed, however that changes meanwhile."""

    def works(self, spec: LinkSpec, status: Mapping[str, Any]) -> dict[Hashable, Work]:
        """What has to run for as long as the Link is so; *status* is what it said last."""
        if self._first_hosts is None:
            self._first_hosts = spec.gateways
        probed = self._addresses(spec, status) if spec.probe is not None else ()
        for address in self._liveness.keys() - set(probed):
            del self._liveness[address]
            self._metrics.forget_address(spec.cluster, str(address))
        if not spec.gateways:
            return {}
        works: dict[Hashable, Work] = {
            ("resolve", spec.gateways): partial(self._keep_resolving, spec.gateways)
        }
        for address in probed:
            key = (address, spec.gateway_identity, spec.protocol, spec.probe)
            works[key] = partial(self._keep_probing, spec, address)
        return works

    def looked_up(self, spec: LinkSpec) -> bool:
        """Whether each of the Link's names has been looked up, with whatever success."""
        return not spec.gateways or self._hosts == spec.gateways

    def heard_of(self, spec: LinkSpec, status: Mapping[str, Any]) -> bool:
        """
        Whether each address that is probed has been asked once, with whatever success.

        Most gateways answer at once; what is written before that is written twice.
        """
        return spec.probe is None or all(
            address in self._liveness for address in self._addresses(spec, status)
        )

    def observed(self, spec: LinkSpec, status: Mapping[str, Any]) -> tuple[GatewayAddress, ...]:
        """Each current address, and the verdict on it."""
        return tuple(
            GatewayAddress(address.host, liveness.alive)
            for address, liveness in self._beliefs(spec, status).items()
        )

    def report(self, spec: LinkSpec, status: Mapping[str, Any]) -> GatewayReport | NoGateway:
        """For the Link's status."""
        if not spec.gateways:
            return NoGateway()
        return GatewayReport(
            addresses=self._beliefs(spec, status),
            probed=spec.probe is not None,
            mistakes=self._resolved.mistakes,
            resolved=self.looked_up(spec),
        )

    def _beliefs(self, spec: LinkSpec, status: Mapping[str, Any]) -> dict[Address, Liveness]:
        unasked = UNKNOWN if spec.probe is not None else PRESUMED
        return {address: self._liveness.get(address, unasked) for address in self._addresses(spec, status)}

    def _addresses(self, spec: LinkSpec, status: Mapping[str, Any]) -> tuple[Address, ...]:
        """Those that the names lead to; while one has led nowhere since we began, also those of before."""
        if not self.looked_up(spec):
            return ()
        ips = list(self._resolved.addresses)
        if spec.gateways == self._first_hosts and not all(self._resolved.found.values()):
            ips += [ip for ip in _listed(status) if ip not in ips]
        return tuple(Address(ip, spec.gateway_port) for ip in ips)

    async def _keep_resolving(self, hosts: tuple[str, ...]) -> None:
        """For ever; once if there is nothing to resolve."""
        while True:
            before = self._resolved
            self._resolved = await resolve(
                hosts, before, self._resolver, allow_loopback=self._settings.allow_loopback
            )
            if self._hosts != hosts or self._resolved != before:
                self._hosts = hosts
                self._moved()
            if all(map(is_ip, hosts)):
                return
            await asyncio.sleep(self._settings.refresh)

    async def _keep_probing(self, spec: LinkSpec, address: Address) -> None:
        assert spec.probe is not None
        await keep_probing(
            self._probe if spec.protocol == "jackstay/1" else partial(over_http, spec.probe),
            address,
            spec.gateway_identity,
            spec.probe,
            told=partial(self._told, spec, address),
            before=self._liveness.get(address, UNKNOWN),
        )

    def _told(self, spec: LinkSpec, address: Address, liveness: Liveness) -> None:
        first, before = address not in self._liveness, self._liveness.get(address, UNKNOWN)
        self._liveness[address] = liveness
        self._metrics.probed(spec.cluster, str(address), liveness)
        if liveness.alive != before.alive:
            names = {"cluster": spec.cluster, "address": str(address)}
            if liveness.alive:
                log.info("gateway.alive", **names)
            else:
                log.warning("gateway.dead", **names, because=liveness.because)
        if first or liveness.alive != before.alive:
            self._moved()
        self._heard()


def _listed(status: Mapping[str, Any]) -> Iterator[str]:
    """The addresses that the status named last."""
    try:
        for entry in Fields(status).below("gateway").each("addresses", lambda fields: fields.text("address")):
            yield Address.parse(entry).host
    except (Malformed, ValueError):
        return
