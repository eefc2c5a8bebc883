"""What a mirror is called, and what it is a mirror of."""

import hashlib

from cluster.objects import Key

LONGEST = 63
"""A Service's name is a DNS label."""

_DIGEST = 8


def mirror_name(service: str, cluster: str) -> str:
    """
    `podinfo-east` for *service* podinfo of *cluster* east.

    Where that is too long for a name, the service's part is cut and ends in a digest of the whole, so
    that two long names do not become one.
    """
    whole = f"{service}-{cluster}"
    if len(whole) <= LONGEST:
        return whole
    digest = hashlib.sha256(whole.encode()).hexdigest()[:_DIGEST]
    room = LONGEST - len(cluster) - _DIGEST - 2
    return f"{service[:room].rstrip('-')}-{digest}-{cluster}"


def mirror_key(service: Key, cluster: str) -> Key:
    """Where the mirror of the remote *service* is: the same namespace, another name."""
    return Key(service.namespace, mirror_name(service.name, cluster))


FAMILIES = ("IPv4", "IPv6")


def slice_key(mirror: Key, family: str) -> Key:
    """Where the EndpointSlice of *mirror* is that holds the gateway's addresses of *family*."""
    return Key(mirror.namespace, f"{mirror.name}-{family.lower()}")


def remote_name(service: Key, domain: str) -> str:
    """The fully qualified name of *service* in its own cluster, whose DNS zone is *domain*."""
    return f"{service.name}.{service.namespace}.svc.{domain}"


def remote_key(name: str) -> Key | None:
    """The Service of a fully qualified *name*; None if that is no such name."""
    parts = name.split(".")
    if len(parts) < 4 or parts[2] != "svc" or not all(parts):
        return None
    return Key(parts[1], parts[0])
