"""
What is told as Events: on the Link whatever becomes of its conditions, and on a Service of the other
cluster that it is not mirrored, for those who exported it and do not see our cluster. Pure.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from cluster.event_objects import Involved
from cluster.event_recorder import Happening
from cluster.kinds import LINK, SERVICE
from cluster.metadata import Metadata
from cluster.objects import Key, Service
from mirror.wanted import Unmirrored

OURSELVES = "jackstay-mirror"
"""The component that tells of Links."""

SKIPPED = "ServiceMirroringSkipped"
CONFLICT = "MirrorConflict"

REASONS = {
    "CredentialsValid": ("CredentialsAccepted", "CredentialsRefused"),
    "RemoteReachable": ("RemoteReachable", "RemoteUnreachable"),
    "GatewayAlive": ("GatewayAlive", "GatewayDead"),
    "Synced": ("Synced", "NotSynced"),
}
"""Of each condition of a Link: what it is called when it becomes True, and when False."""


def teller(cluster: str) -> str:
    """The component that tells the other cluster, which we call *cluster*; Linkerd's is called so."""
    return f"linkerd-service-mirror-{cluster}"


def transitions(link: Metadata, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Happening]:
    """
    What is to be told of a Link whose status was *before* and is *after*.

    That something can no longer be known is not told: that the other cluster is away says it.
    """
    known = _said(before)
    for condition in after.get("conditions", ()):
        name, status, reason = condition["type"], condition["status"], condition["reason"]
        if status == "Unknown" or name not in REASONS or known.get(name) == (status, reason):
            continue
        well = status == "True"
        if well and known.get(name, ("", ""))[0] == "True":
            continue
        message = ": ".join(filter(None, (reason, condition["message"])))
        yield _of_link(link, REASONS[name][0 if well else 1], message, warning=not well)


def _said(status: Mapping[str, Any]) -> dict[object, tuple[object, object]]:
    """Status and reason by condition; what is no condition, in whatever place, counts as nothing."""
    conditions = status.get("conditions")
    return {
        one.get("type"): (one.get("status"), one.get("reason"))
        for one in (conditions if isinstance(conditions, list) else ())
        if isinstance(one, Mapping)
    }


def conflict(link: Metadata, remote: Key, what: str) -> Happening:
    """That something of somebody else's stands in the way of a mirror of the Service *remote*."""
    return _of_link(link, CONFLICT, f"{remote} is not mirrored: {what}", warning=True, kind=str(remote))


def skipped(service: Service, why: Unmirrored) -> Happening:
    """That *service*, of the other cluster, is exported and not mirrored; it begins as Linkerd's does."""
    metadata, reason = service.metadata, why.message[:1].lower() + why.message[1:]
    involved = Involved.of(SERVICE, metadata.namespace, metadata.name, metadata.uid)
    return Happening(involved, SKIPPED, f"Skipped mirroring service: {reason}", kind=why.reason)


def _of_link(link: Metadata, reason: str, message: str, *, warning: bool, kind: str = "") -> Happening:
    involved = Involved.of(LINK, link.namespace, link.name, link.uid)
    return Happening(involved, reason, message, warning=warning, kind=kind)
