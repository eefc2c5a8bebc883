"""
Whose an object is. The mirror writes over and removes what it made itself, and nothing else.

What is removed bears the label with the Link's uid, and the other marks agree with where it is: whoever saves
a mirror as YAML and applies it under another name has made an object of their own that looks like ours.
Written over is besides what bears the other marks and the uid of no Link there is: it lost its label, or its
Link, or was made by Linkerd.
"""

from collections.abc import Set
from itertools import chain

from cluster.objects import Key, Metadata
from mirror import marks
from mirror.naming import mirror_key, remote_key
from mirror.observed import Local, Object


def origin(metadata: Metadata, mirror: Key, uid: str) -> Key | None:
    """
    The remote Service for whose sake the Link *uid* made this, as part of *mirror*.

    None where it is not proven to be made by that Link; then it is not to be removed.
    """
    labels = metadata.labels
    if labels.get(marks.LINK_UID) != uid or labels.get(marks.MIRRORED_SERVICE) != "true":
        return None
    remote = remote_key(metadata.annotations.get(marks.REMOTE_NAME, ""))
    if remote is None or mirror_key(remote, labels.get(marks.CLUSTER_NAME, "")) != mirror:
        return None
    return remote


def may_write_over(metadata: Metadata, wanted: Metadata, others: Set[str]) -> bool:
    """
    Whether what stands where *wanted* is to be is ours, or nobody's any more.

    Nobody's is a mirror of the same remote Service that bears no Link's uid (Linkerd's own) or one that
    is not among *others*, the Links there are (a Link made anew, after one that kept its mirrors).
    """
    uid = metadata.labels.get(marks.LINK_UID, "")
    if uid == wanted.labels[marks.LINK_UID]:
        return True
    return (
        uid not in others
        and all(
            metadata.labels.get(key) == wanted.labels[key]
            for key in (marks.MIRRORED_SERVICE, marks.CLUSTER_NAME)
        )
        and metadata.annotations.get(marks.REMOTE_NAME) == wanted.annotations[marks.REMOTE_NAME]
    )


def owned_at(local: Local, mirror: Key, uid: str) -> tuple[Object, ...]:
    """What of *mirror* is proven to be made by the Link *uid*; the Service first."""
    things = (local.services.get(mirror), local.endpoints.get(mirror), *local.parts.get(mirror, ()))
    return tuple(
        thing for thing in things if thing is not None and origin(thing.metadata, mirror, uid) is not None
    )


def owned(local: Local, uid: str) -> dict[Key, tuple[Object, ...]]:
    """What is proven to be made by the Link *uid*, by mirror."""
    keys = dict.fromkeys(chain(local.services, local.endpoints, local.parts))
    return {key: things for key in keys if (things := owned_at(local, key, uid))}
