"""What of two views of everything differs, as far as mirrors follow from it. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from cluster.changes import changes
from cluster.objects import Key
from mirror.naming import FAMILIES, mirror_key
from mirror.observed import Observed
from mirror.ready_endpoints import service_of


@dataclass(frozen=True, slots=True)
class Touched:
    """What has to be looked at anew."""

    services: frozenset[Key]
    """Services of the other cluster."""

    mirrors: frozenset[Key]
    """Theirs, and others where something has changed."""


def touched(before: Observed, now: Observed, remote_of: Mapping[Key, Key]) -> Touched | None:
    """
    What has changed between *before* and *now*; None: something from which all follows.

    *remote_of* says for the sake of which Service each mirror was.
    """
    if _common(before) != _common(now):
        return None
    services = set(changes(before.remote.services, now.remote.services))
    if before.remote.ready is not now.remote.ready:
        services |= {key for key, _ in before.remote.ready.items() ^ now.remote.ready.items()}
    if namespaces := _namespaces(before, now):
        services |= {key for key in now.remote.services if key.namespace in namespaces}
    mirrors = {
        *changes(before.local.services, now.local.services),
        *changes(before.local.endpoints, now.local.endpoints),
        *_of_slices(before, now),
    }
    services |= {remote_of[mirror] for mirror in mirrors & remote_of.keys()}
    mirrors |= {mirror_key(service, now.link.cluster) for service in services}
    return Touched(frozenset(services), frozenset(mirrors))


def _common(observed: Observed) -> tuple[object, ...]:
    remote = observed.remote
    return (
        observed.link,
        observed.gateway,
        observed.others,
        observed.most,
        observed.create_namespaces,
        remote.cluster_uid,
        remote.unreadable,
    )


def _namespaces(before: Observed, now: Observed) -> frozenset[str]:
    """Those of ours that have come, gone, or are about to go."""
    return (before.local.namespaces ^ now.local.namespaces) | (before.local.leaving ^ now.local.leaving)


def _of_slices(before: Observed, now: Observed) -> set[Key]:
    """The mirrors that slices which have changed are of, or in whose slices' places they stand."""
    found: set[Key] = set()
    for key in changes(before.local.slices, now.local.slices):
        for part in (before.local.slices.get(key), now.local.slices.get(key)):
            if part is not None:
                found.add(service_of(part))
        for family in FAMILIES:
            ending = f"-{family.lower()}"
            if key.name.endswith(ending):
                found.add(Key(key.namespace, key.name.removesuffix(ending)))
    return found
