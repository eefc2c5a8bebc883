"""
What a Link's status says: pure, from what is known now and what it said before.

What is not known now stays as it was, so that a controller that has just begun neither writes nor
claims anything; a transition time moves only when something has become another.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from cluster.metadata import Raw
from cluster.objects import Key, time_text
from cluster.reading import Fields, Malformed
from mirror.liveness import Liveness
from process.address import Address

CONTROLLER = "linkerd.io/service-mirror"
"""As Linkerd's own controller signs, for the tools that look for it."""

MOST_LISTED = 500
"""Above so many Services only those that are not mirrored are listed: an object has to fit into etcd."""

LONGEST_MESSAGE = 1024


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is so or not, and why. None: that cannot be known, which is a finding too."""

    ok: bool | None
    reason: str
    message: str = ""


@dataclass(frozen=True, slots=True)
class Mirrored:
    """What has become of one exported Service."""

    finding: Finding
    local: Key | None = None
    """Its mirror; None if there is none."""


@dataclass(frozen=True, slots=True)
class GatewayReport:
    """What is known of the gateway."""

    addresses: Mapping[Address, Liveness] = field(default_factory=dict)
    probed: bool = True
    mistakes: tuple[str, ...] = ()
    """Why names did not lead to (all of) it."""

    resolved: bool = True
    """False until its names have been looked up once."""

    @property
    def alive(self) -> bool | None:
        """Whether at least one address lives; None without a verdict."""
        verdicts = {liveness.alive for liveness in self.addresses.values()}
        if not self.resolved:
            return None
        return True if True in verdicts else None if None in verdicts else False

    @property
    def finding(self) -> Finding | None:
        if not self.probed and self.addresses:
            return Finding(
                ok=True, reason="NotProbed", message="the Link says not to probe it; it is taken to be alive"
            )
        if self.alive is None:
            return None
        whys = [
            f"{address}: {liveness.because}"
            for address, liveness in self.addresses.items()
            if not liveness.alive and liveness.because
        ]
        message = "; ".join([*whys, *self.mistakes])
        if self.alive:
            return Finding(ok=True, reason="Answering", message=message)
        return Finding(ok=False, reason="NotAnswering" if self.addresses else "NoAddress", message=message)


@dataclass(frozen=True, slots=True)
class NoGateway:
    """The Link has none: there is nothing to say about one."""


@dataclass(frozen=True, slots=True)
class Report:
    """What is known of a Link now. Where there is None the status says what it said before."""

    generation: int
    credentials: Finding | None = None
    remote: Finding | None = None
    synced: Finding | None = None
    gateway: GatewayReport | NoGateway | Finding | None = None
    """A Finding: why nothing can be known of it."""

    services: Mapping[Key, Mirrored] | None = None
    exported: int = 0
    """How many Services there are to be mirrored; of too many to list `services` has but some."""

    mirrors: int | None = None
    """How many Services are mirrored."""


def status(before: Mapping[str, Any], report: Report, now: datetime) -> Raw:
    """The status that *report* calls for, after *before*. Equal to *before* if nothing has changed."""
    time = time_text(now)
    gateway = report.gateway
    findings = {
        "CredentialsValid": report.credentials,
        "RemoteReachable": report.remote,
        "GatewayAlive": gateway.finding if isinstance(gateway, GatewayReport) else gateway,
        "Synced": report.synced,
    }
    after: Raw = {"federatedServices": before["federatedServices"]} if "federatedServices" in before else {}
    if conditions := _conditions(_list(before, "conditions"), findings, report.generation, time):
        after["conditions"] = conditions
    if shown := _gateway(_map(before, "gateway"), gateway, report.mirrors, time):
        after["gateway"] = shown
    services = _services(_list(before, "mirrorServices"), report.services, report.exported, time)
    if services or "mirrorServices" in before:
        after["mirrorServices"] = services
    return after


def change(before: Mapping[str, Any], after: Mapping[str, Any]) -> Raw:
    """The merge patch that makes *after* of *before*; {} if they are equal."""
    changed = {name: value for name, value in after.items() if before.get(name) != value}
    removed = {name: None for name in before if name not in after}
    gateway, known = changed.get("gateway"), before.get("gateway")
    if isinstance(gateway, dict) and isinstance(known, Mapping):
        # Objects are merged, so what is to go has to be said.
        changed["gateway"] = {**{name: None for name in known if name not in gateway}, **gateway}
    return {**changed, **removed}


def _conditions(
    before: list[Mapping[str, Any]],
    findings: Mapping[str, Finding | NoGateway | None],
    generation: int,
    time: str,
) -> list[Raw]:
    known = {condition.get("type"): condition for condition in before}
    after = []
    for name, finding in findings.items():
        if isinstance(finding, Finding):
            after.append(
                {**_condition(name, finding, known.get(name), time), "observedGeneration": generation}
            )
        elif finding is None and name in known:
            after.append(dict(known[name]))
    return after


def _condition(name: str, finding: Finding, before: Mapping[str, Any] | None, time: str) -> Raw:
    said = "Unknown" if finding.ok is None else "True" if finding.ok else "False"
    since = time
    if before is not None and before.get("status") == said:
        since = before.get("lastTransitionTime") or time
    return {
        "type": name,
        "status": said,
        "reason": finding.reason,
        "message": finding.message[:LONGEST_MESSAGE],
        "lastTransitionTime": since,
    }


def _gateway(
    before: Mapping[str, Any],
    gateway: GatewayReport | NoGateway | Finding | None,
    mirrors: int | None,
    time: str,
) -> Raw:
    if isinstance(gateway, NoGateway):
        return {}
    if not isinstance(gateway, GatewayReport):
        return dict(before)
    alive = gateway.alive if gateway.probed else bool(gateway.addresses)
    after = {name: before[name] for name in ("alive", "services", "lastTransitionTime") if name in before}
    if alive is not None:
        if before.get("alive") != alive:
            after["lastTransitionTime"] = time
        after["alive"] = alive
    if mirrors is not None:
        after["services"] = mirrors
    latencies = [
        found.latency for found in gateway.addresses.values() if found.alive and found.latency is not None
    ]
    latency = _latency(before, min(latencies, default=None))
    if latency is not None:
        after["latencyMilliseconds"] = latency
    known = {entry.get("address"): entry for entry in _list(before, "addresses")}
    if not gateway.resolved:
        addresses = [dict(entry) for entry in known.values()]
    else:
        addresses = [
            _address(str(address), liveness, known.get(str(address), {}))
            for address, liveness in gateway.addresses.items()
            if gateway.probed and (liveness.alive is not None or str(address) in known)
        ]
    if addresses:
        after["addresses"] = addresses
    return after


def _address(address: str, liveness: Liveness, before: Mapping[str, Any]) -> Raw:
    if liveness.alive is None:
        return dict(before)
    after: Raw = {"address": address, "alive": liveness.alive}
    latency = _latency(before, liveness.latency)
    if liveness.alive and latency is not None:
        after["latencyMilliseconds"] = latency
    if not liveness.alive:
        after["reason"] = liveness.because[:LONGEST_MESSAGE]
    return after


def _latency(before: Mapping[str, Any], seconds: float | None) -> int | None:
    """Whole milliseconds; as *before* while they are about the same, since each change is a write."""
    known = before.get("latencyMilliseconds")
    if seconds is None:
        return known if isinstance(known, int) else None
    now = max(1, round(seconds * 1000))
    if isinstance(known, int) and abs(now - known) <= max(5, known // 2):
        return known
    return now


def _services(
    before: list[Mapping[str, Any]], services: Mapping[Key, Mirrored] | None, exported: int, time: str
) -> list[Raw]:
    if services is None:
        return [dict(entry) for entry in before]
    known = {_remote(entry): entry for entry in before}
    listed = services if max(exported, len(services)) <= MOST_LISTED else _failing(services)
    return [_service(key, found, known.get(key, {}), time) for key, found in sorted(listed.items())][
        :MOST_LISTED
    ]


def _failing(services: Mapping[Key, Mirrored]) -> dict[Key, Mirrored]:
    return {key: found for key, found in services.items() if not found.finding.ok}


def _service(key: Key, found: Mirrored, before: Mapping[str, Any], time: str) -> Raw:
    conditions = _list(before, "conditions")
    condition = _condition("Mirrored", found.finding, conditions[0] if conditions else None, time)
    if found.local is not None:
        condition["localRef"] = _reference(found.local)
    return {"controllerName": CONTROLLER, "remoteRef": _reference(key), "conditions": [condition]}


def _reference(key: Key) -> Raw:
    return {"group": "", "kind": "Service", "name": key.name, "namespace": key.namespace}


def _remote(entry: Mapping[str, Any]) -> Key:
    reference = _map(entry, "remoteRef")
    return Key(str(reference.get("namespace", "")), str(reference.get("name", "")))


def _list(raw: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    """The objects under *name*; what somebody else wrote there in another form counts as nothing."""
    try:
        return list(Fields(raw).each(name, lambda fields: fields.raw))
    except Malformed:
        return []


def _map(raw: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    try:
        return Fields(raw).below(name).raw
    except Malformed:
        return {}
