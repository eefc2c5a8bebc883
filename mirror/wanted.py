"""What ought to be: for every exported Service of the other cluster a mirror here, or why there is none."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from cluster.objects import Key, Service
from mirror import marks
from mirror.exports import shut_by_mistake
from mirror.link import LinkSpec
from mirror.mirror_objects import Mirror, conflict, is_theirs, make
from mirror.naming import mirror_key
from mirror.observed import Object, Observed
from mirror.ownership import origin, owned, owned_at
from mirror.touched import Touched, touched

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

    troubled: Mapping[Key, Mirror | Unmirrored]
    """Of `services` those that have no mirror, not the whole of it, or one that lets nobody in over there."""

    remote_of: Mapping[Key, Key]
    """The remote Service for whose sake there is, or would be, each mirror."""

    observed: Observed = field(compare=False, repr=False)
    """What it follows from."""

    bounded: bool = False
    """Whether some have no mirror because the Link may have no more."""

    touched: frozenset[Key] | None = field(default=None, compare=False)
    """The mirrors that were worked out anew; None: all."""


def wanted(observed: Observed, before: Desired | None = None) -> Desired:
    """
    What *observed* calls for.

    Of what was worked out *before* only that is worked out anew which follows from something else now.
    (With a thousand mirrors it would be most of the work of most passes.)
    """
    if before is None or before.bounded:
        return _whole(observed)
    anew = touched(before.observed, observed, before.remote_of)
    return _whole(observed) if anew is None else _in_part(observed, before, anew)


def _whole(observed: Observed) -> Desired:
    link = observed.link
    services = {
        key: _wanted(service, observed)
        for key, service in observed.remote.services.items()
        if is_mirrored(service, link)
    }
    over = _too_many(services, observed)
    message = f"Link {link.name} may have {observed.most} mirrors and has them"
    services |= dict.fromkeys(over, Unmirrored("Error", message))
    mirrors = {found.key: found for found in services.values() if isinstance(found, Mirror)}
    owned_here = owned(observed.local, link.uid).items()
    return Desired(
        services,
        mirrors,
        {
            key: gone
            for key, things in owned_here
            if key not in mirrors and (gone := _withdrawn(key, things, observed)) is not None
        },
        {key: found for key, found in services.items() if _is_troubled(found, observed.remote.services[key])},
        {mirror_key(key, link.cluster): key for key in services},
        observed,
        bool(over),
    )


def _in_part(observed: Observed, before: Desired, anew: Touched) -> Desired:
    """*before*, with what is *anew* worked out anew."""
    if not anew.mirrors:
        return replace(before, observed=observed, touched=frozenset())
    link = observed.link
    services, mirrors, troubled = dict(before.services), dict(before.mirrors), dict(before.troubled)
    remote_of, withdrawn = dict(before.remote_of), dict(before.withdrawn)
    for key in anew.services:
        mirror, service = mirror_key(key, link.cluster), observed.remote.services.get(key)
        for held, at in ((services, key), (troubled, key), (mirrors, mirror), (remote_of, mirror)):
            held.pop(at, None)
        if service is None or not is_mirrored(service, link):
            continue
        found = services[key] = _wanted(service, observed)
        remote_of[mirror] = key
        if isinstance(found, Mirror):
            mirrors[mirror] = found
        if _is_troubled(found, service):
            troubled[key] = found
    if len(mirrors) > observed.most:
        return _whole(observed)
    for mirror in anew.mirrors:
        withdrawn.pop(mirror, None)
        things = owned_at(observed.local, mirror, link.uid) if mirror not in mirrors else ()
        if things and (gone := _withdrawn(mirror, things, observed)) is not None:
            withdrawn[mirror] = gone
    return Desired(services, mirrors, withdrawn, troubled, remote_of, observed, touched=anew.mirrors)


def _is_troubled(found: Mirror | Unmirrored, service: Service) -> bool:
    return not isinstance(found, Mirror) or bool(found.conflict or shut_by_mistake(service))


def _too_many(services: Mapping[Key, Mirror | Unmirrored], observed: Observed) -> list[Key]:
    """The Services whose mirrors are over the bound; those that have one already are kept first."""
    mirrors = {key: found.key for key, found in services.items() if isinstance(found, Mirror)}
    if len(mirrors) <= observed.most:
        return []
    standing = observed.local.services
    return sorted(mirrors, key=lambda key: (mirrors[key] not in standing, key))[observed.most :]


def _withdrawn(mirror: Key, things: tuple[Object, ...], observed: Observed) -> Withdrawn | None:
    """
    *mirror* as one of this Link's that ought not to be any more.

    None where we cannot tell what has become of its Service: it stays as it is.
    """
    remote = origin(things[0].metadata, mirror, observed.link.uid)
    if remote is None or observed.replaced or remote in observed.remote.unreadable:
        return None
    return Withdrawn(remote, things)


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
    namespace = service.metadata.namespace
    if namespace in local.leaving:
        return Unmirrored("MissingNamespace", "Namespace is being deleted")
    if namespace not in local.namespaces and not observed.create_namespaces:
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
