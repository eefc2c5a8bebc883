"""Listings, whole or in pages that fit together. Pure but for the store that is read."""

import base64
import binascii
import json
from collections.abc import Callable
from dataclasses import dataclass

from cluster.kinds import Kind
from cluster.local.refusals import BadRequest
from cluster.local.store import Store
from cluster.metadata import Key, Raw


@dataclass(frozen=True, slots=True)
class Page:
    """Objects in the order of their names, from one version of the store."""

    items: tuple[Raw, ...]
    version: int
    more: str = ""
    """What to ask for the next page with; "" if this is the last."""

    remaining: int = 0
    """How many objects the next pages have."""


def page(
    store: Store, kind: Kind, wanted: Callable[[Key, Raw], bool], *, limit: int = 0, more: str = ""
) -> Page:
    """
    The objects of *kind* that are *wanted*, at most *limit* (0: all), going on where *more* ends.

    Raises BadRequest, or Expired if the version of the first page is no longer kept.
    """
    version, after = _decoded(more) if more else (store.version, None)
    objects = store.all(kind) if version == store.version else store.at(kind, version)
    rest = sorted(
        key for key, item in objects.items() if (after is None or key > after) and wanted(key, item)
    )
    shown = rest[:limit] if limit else rest
    remaining = len(rest) - len(shown)
    token = _encoded(version, shown[-1]) if remaining else ""
    return Page(tuple(objects[key] for key in shown), version, token, remaining)


def _encoded(version: int, last: Key) -> str:
    return base64.urlsafe_b64encode(json.dumps([version, *last]).encode()).decode()


def _decoded(token: str) -> tuple[int, Key]:
    try:
        match json.loads(base64.urlsafe_b64decode(token)):
            case [int(version), str(namespace), str(name)]:
                return version, Key(namespace, name)
    except (binascii.Error, ValueError):
        pass
    raise BadRequest("continue key is not valid")
