"""What ought to be: for every exported Service of the other cluster a mirror here, or why there is none."""

from collections.abc import Mapping
from dataclasses import dataclass

from cluster.objects import EndpointSlice, Key, Service
from mirror import marks
from mirror.link import LinkSpec
from mirror.mirror_objects import Mirror, conflict, is_theirs, make
from mirror.naming import FAMILIES, mirror_key, slice_key
from mirror.observed import Object, Observed, parts_of
from mirror.ownership import origin, owned

CONFLICT = "Conflict"
"""The reason where something of somebody else's stands in the place of a mirror, or of a part of one."""


@dataclass(frozen=True, slots=True)
class Unmirrored:
    """Why a remote Service that is exported has no mirror."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """A mirror that ought not to be any more: the remote Service it stood for, and what there is of it."""

    remote: Key
    things: tuple[Object, ...]

    @property
    def has_service(self) -> bool:
        """Whether there is more of it than what stands behind a Service that is somebody else's, or gone."""
        return any(isinstance(thing, Service) for thing in self.things)


@dataclass(frozen=True, slots=True)
class Desired:
    """What ought to be, and what no longer."""

    services: Mapping[Key, Mirror | Unmirrored]
    """By the remote Service, for all that the Link's selector chooses."""

    mirrors: Mapping[Key, Mirror]
    """By where they are."""

    withdrawn: Mapping[Key, Withdrawn]

    made_of: Mapping[Key, tuple[object, ...]]
    """By the remote Service: the objects from which what stands under `services` follows."""

    context: tuple[object, ...]
    """What it follows from besides, and is the same for all."""


def wanted(observed: Observed, before: Desired | None = None) -> Desired:
    """
    What *observed* calls for.

    What was worked out *before*, from the very same objects, is not worked out again: it is the same
    object, too. (With a thousand mirrors that is most of the work of most passes.)
    """
    context = (observed.link, observed.gateway, observed.others, observed.remote.cluster_uid)
    known = before if before is not None and before.context == context else None
    parts = parts_of(observed.local.slices)
    services: dict[Key, Mirror | Unmirrored] = {}
    made_of: dict[Key, tuple[object, ...]] = {}
    for key, service in observed.remote.services.items():
        if is_mirrored(service, observed.link):
            sources = made_of[key] = _sources(service, observed, parts)
            if known is not None and _same(known.made_of.get(key), sources):
                services[key] = known.services[key]
            else:
                services[key] = _wanted(service, observed)
    for key in _too_many(services, observed):
        message = f"Link {observed.link.name} may have {observed.most} mirrors and has them"
        services[key] = Unmirrored("Error", message)
        del made_of[key]  # it follows from the others as well
    mirrors = {found.key: found for _, found in sorted(services.items()) if isinstance(found, Mirror)}
    return Desired(services, mirrors, _withdrawn(observed, mirrors, parts), made_of, context)


def _sources(
    service: Service, observed: Observed, parts: Mapping[Key, tuple[EndpointSlice, ...]]
) -> tuple[object, ...]:
    """Everything that is about *service* alone, from which its mirror and the plan for it follow."""
    local, remote = observed.local, service.metadata.key
    key = mirror_key(remote, observed.link.cluster)
    return (
        service,
        observed.remote.ready.get(remote, 0),
        remote.namespace in local.namespaces,
        local.services.get(key),
        local.endpoints.get(key),
        *parts.get(key, ()),
        *(local.slices.get(slice_key(key, family)) for family in FAMILIES),
    )


def _same(before: tuple[object, ...] | None, now: tuple[object, ...]) -> bool:
    return before is not None and len(before) == len(now) and all(map(_is_same, before, now))


def _is_same(before: object, now: object) -> bool:
    return before is now or (isinstance(now, int) and before == now)


def _too_many(services: Mapping[Key, Mirror | Unmirrored], observed: Observed) -> list[Key]:
    """The Services whose mirrors are over the bound; those that have one already come last."""
    mirrors = {key: found.key for key, found in services.items() if isinstance(found, Mirror)}
    if len(mirrors) <= observed.most:
        return []
    standing = observed.local.services
    return sorted(mirrors, key=lambda key: (mirrors[key] not in standing, key))[observed.most :]


def _withdrawn(
    observed: Observed, mirrors: Mapping[Key, Mirror], parts: Mapping[Key, tuple[EndpointSlice, ...]]
) -> dict[Key, Withdrawn]:
    """
    The mirrors of this Link that are not among *mirrors*.

    Not among them is one of which we cannot tell what has become of its Service: it stays as it is.
    """
    if observed.replaced:
        return {}
    found: dict[Key, Withdrawn] = {}
    for key, things in owned(observed.local, observed.link.uid, parts, besides=mirrors.keys()).items():
        remote = origin(things[0].metadata, key, observed.link.uid)
        if remote is not None and remote not in observed.remote.unreadable:
            found[key] = Withdrawn(remote, things)
    return found


def is_mirrored(service: Service, link: LinkSpec) -> bool:
    """Whether *link* makes a mirror of *service* that leads through the gateway."""
    labels = service.metadata.labels
    namespaces = link.namespaces
    return (
        bool(link.gateways)
        and link.selector.chooses(labels)
        and not link.discovery_selector.chooses(labels)
        and (not namespaces or service.metadata.namespace in namespaces)
    )


def _wanted(service: Service, observed: Observed) -> Mirror | Unmirrored:
    link, local = observed.link, observed.local
    if (mistake := _unfit(service)) is not None:
        return Unmirrored("InvalidService", mistake)
    if service.metadata.namespace not in local.namespaces:
        return Unmirrored("MissingNamespace", "Namespace does not exist")
    key = mirror_key(service.metadata.key, link.cluster)
    standing = local.services.get(key)
    mirror = make(service, key, standing, observed)
    if is_theirs(standing, mirror.service.metadata, observed):
        return Unmirrored(CONFLICT, conflict("Service", key, link))
    if standing is None and mirror.endpoints is None:
        return Unmirrored(CONFLICT, mirror.conflict)  # they would become those of the Service that we made
    return mirror


def _unfit(service: Service) -> str | None:
    if service.metadata.labels.get(marks.MIRRORED_SERVICE) == "true":
        return "the service is itself a mirror"
    if service.type == "ExternalName":
        return "a service of type ExternalName leads out of its cluster"
    if not service.ports:
        return "object spec has no exposed ports"
    return None
