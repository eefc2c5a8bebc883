"""
What happens to an object from its creation to its end, the same for all kinds.

Requests become changes here: metadata that only the server sets, defaults, validation, optimistic
concurrency, finalizers, the end of a namespace, and of what an object owned. Every method decides first
and changes last: one that raises has changed nothing, and one asked for a dry run never does.
"""

import copy
from collections.abc import Callable, Iterable
from datetime import datetime
from ipaddress import IPv4Network

from cluster.kinds import NAMESPACE, SERVICE, Kind
from cluster.local import addresses, names
from cluster.local.admission import match, own_copy, precondition, substance, take_over
from cluster.local.refusals import AlreadyExists, BadRequest, Conflict, Forbidden, Invalid, Mistake, about
from cluster.local.resources import RESOURCES, Resource
from cluster.local.store import Store
from cluster.local.validation import Rules
from cluster.metadata import Key, Raw, time_text

ALWAYS_THERE = ("default", "kube-system")
"""Namespaces that cannot be deleted."""

MOST_FORMER = 1000
"""Names whose Services get their address back when they come back."""

_ONLY_OURS = ("uid", "creationTimestamp", "generation", "deletionTimestamp", "deletionGracePeriodSeconds")
"""Metadata that a client cannot set."""

_BY_KIND = {resource.kind: resource for resource in RESOURCES}


class Registry:
    """The one writer of *store*. Time and uids come from *now* and *new_uid*."""

    def __init__(
        self,
        store: Store,
        network: IPv4Network,
        rules: Rules,
        *,
        now: Callable[[], datetime],
        new_uid: Callable[[], str],
    ) -> None:
        self._store = store
        self._network = network
        self._rules = rules
        self._now = now
        self._new_uid = new_uid
        self._last_address: str | None = None
        self._former: dict[Key, str] = {}  # the address that a name had last, in the order of giving

    def create(self, resource: Resource, namespace: str, body: Raw, *, dry_run: bool = False) -> Raw:
        """Keep *body* as a new object. Raises AlreadyExists, BadRequest, Forbidden, Invalid, NotFound."""
        kind = resource.kind
        item = own_copy(kind, body)
        given = item["metadata"]
        if given.get("resourceVersion"):
            raise BadRequest("resourceVersion should not be set on objects to be created")
        given.pop("resourceVersion", None)
        self._place(kind, namespace, given)
        uid = self._new_uid()
        if not given.get("name") and isinstance(given.get("generateName"), str) and given["generateName"]:
            given["name"] = given["generateName"][:58] + uid.replace("-", "")[-5:]
        for name in _ONLY_OURS:
            given.pop(name, None)
        given |= {"uid": uid, "creationTimestamp": time_text(self._now())}
        if resource.counts_generations:
            given["generation"] = 1
        if resource.has_status:
            item.pop("status", None)
        self._settle(resource, item, None)
        key = Key(namespace, given["name"])
        if self._store.find(kind, key) is not None:
            raise AlreadyExists.named(kind, key.name)
        return item if dry_run else self._store.put(kind, key, item)

    def update(
        self,
        resource: Resource,
        key: Key,
        change: Callable[[Raw], Raw],
        *,
        status: bool = False,
        dry_run: bool = False,
    ) -> Raw:
        """
        Keep what *change* makes of the object; of it only the status, if *status*, else all but that.

        An object that comes out the same gets no new version. Raises NotFound, Conflict, Invalid, BadRequest.
        """
        kind = resource.kind
        before = self._store.get(kind, key)
        item = own_copy(kind, change(before))
        match(resource, key, item["metadata"], before)
        if status:
            item = copy.deepcopy(before) | {"status": item.get("status") or {}}
        elif resource.has_status:
            take_over(item, before, "status")
        for name in ("resourceVersion", *_ONLY_OURS):
            take_over(item["metadata"], before["metadata"], name)
        self._settle(resource, item, before)
        if item == before:
            return before
        leaving = "deletionTimestamp" in before["metadata"]
        finalizers = item["metadata"].get("finalizers") or []
        if leaving and not set(finalizers) <= set(before["metadata"].get("finalizers") or []):
            why = "no new finalizers can be added if the object is being deleted"
            raise Invalid.because(kind, key.name, [Mistake("metadata.finalizers", f"Forbidden: {why}")])
        if resource.counts_generations and substance(item) != substance(before):
            item["metadata"]["generation"] = before["metadata"].get("generation", 0) + 1
        if dry_run:
            return item
        if leaving and not finalizers and kind != NAMESPACE:
            self._remove(kind, key)
            return item
        kept = self._store.put(kind, key, item)
        if leaving and kind == NAMESPACE:
            self._end_namespace_if_empty(key.name)
        return kept

    def replace(
        self, resource: Resource, key: Key, body: Raw, *, status: bool = False, dry_run: bool = False
    ) -> Raw:
        """`update` with an object that is already there."""
        return self.update(resource, key, lambda before: body, status=status, dry_run=dry_run)

    def delete(
        self,
        resource: Resource,
        key: Key,
        *,
        uid: str | None = None,
        version: str | None = None,
        orphan: bool = False,
        dry_run: bool = False,
    ) -> tuple[Raw, bool]:
        """
        Delete the object, and say whether it is gone: finalizers, or what is in a namespace, may hold it.

        Unless *orphan*, what it owned goes too. Raises NotFound, Conflict, Forbidden.
        """
        kind = resource.kind
        item = self._store.get(kind, key)
        current = item["metadata"]
        for what, wanted, found in (
            ("UID", uid, current["uid"]),
            ("ResourceVersion", version, current["resourceVersion"]),
        ):
            if wanted is not None and wanted != found:
                raise Conflict.named(kind, key.name, precondition(what, wanted, found))
        if kind == NAMESPACE and key.name in ALWAYS_THERE:
            why = "this namespace may not be deleted"
            raise Forbidden(f'namespaces "{key.name}" is forbidden: {why}', **about(kind, key.name))
        if dry_run:
            return item, True
        if kind == NAMESPACE:
            item = self._terminate(kind, key, item)
            self._empty(key.name)
            self._end_namespace_if_empty(key.name)
            return item, self._store.find(kind, key) is None
        if current.get("finalizers"):
            return self._terminate(kind, key, item), False
        self._remove(kind, key, orphan=orphan)
        return item, True

    def _place(self, kind: Kind, namespace: str, given: Raw) -> None:
        """Hold *given* to the *namespace* of the request, which must be there and stay."""
        if given.get("namespace") not in (None, "", namespace):
            raise BadRequest(
                "the namespace of the provided object does not match the namespace sent on the request"
            )
        given.pop("namespace", None)
        if not kind.namespaced:
            return
        given["namespace"] = namespace
        found = self._store.get(NAMESPACE, Key("", namespace))
        if "deletionTimestamp" in found["metadata"]:
            why = f"unable to create new content in namespace {namespace} because it is being terminated"
            raise Forbidden(f"{kind.plural} is forbidden: {why}")

    def _settle(self, resource: Resource, item: Raw, before: Raw | None) -> None:
        """Fill *item* in and judge it. Raises Invalid with all mistakes."""
        name = item["metadata"].get("name") or ""
        for part in ("spec", "status"):
            if item.get(part, {}) is None:
                del item[part]
            if not isinstance(item.get(part, {}), dict):
                raise BadRequest(
                    f"{resource.kind.kind} in version {resource.kind.version!r}: {part} is not an object"
                )
        if resource.has_spec and not resource.custom:
            item.setdefault("spec", {})
        resource.fill(item, before, self._now())
        mistakes = list(names.metadata(item, resource.named))
        mistakes += resource.check(item, before, self._rules)
        if resource.kind == SERVICE and not mistakes:
            mistakes += self._give_address(item, before)
        if mistakes:
            raise Invalid.because(resource.kind, str(name), mistakes)

    def _give_address(self, item: Raw, before: Raw | None) -> Iterable[Mistake]:
        own = Key(item["metadata"]["namespace"], item["metadata"]["name"])
        used = {
            other["spec"].get("clusterIP") for key, other in self._store.all(SERVICE).items() if key != own
        }
        mistakes = addresses.settle(
            item, before, self._network, used, last=self._last_address, former=self._former.get(own)
        )
        address = item["spec"].get("clusterIP")
        if not mistakes and before is None and address not in (None, addresses.HEADLESS):
            if address != self._former.pop(own, None):
                self._last_address = address
            self._former[own] = address
            while len(self._former) > MOST_FORMER:
                del self._former[next(iter(self._former))]
        return mistakes

    def _terminate(self, kind: Kind, key: Key, item: Raw) -> Raw:
        """Mark the object as being deleted, if it is not yet."""
        if "deletionTimestamp" in item["metadata"]:
            return item
        marked = copy.deepcopy(item)
        marked["metadata"] |= {
            "deletionTimestamp": time_text(self._now()),
            "deletionGracePeriodSeconds": 0,
        }
        if "generation" in marked["metadata"]:
            marked["metadata"]["generation"] += 1
        if kind == NAMESPACE:
            marked["status"] = {"phase": "Terminating"}
        return self._store.put(kind, key, marked)

    def _remove(self, kind: Kind, key: Key, *, orphan: bool = False) -> None:
        """Forget the object, then what went with it and what only it owned."""
        uid = self._store.get(kind, key)["metadata"]["uid"]
        self._store.remove(kind, key)
        companion = _BY_KIND[kind].takes_along
        if companion is not None and self._store.find(companion, key) is not None:
            self.delete(_BY_KIND[companion], key)
        if not orphan:
            self._remove_owned(key.namespace, uid)
        if key.namespace:
            self._end_namespace_if_empty(key.namespace)

    def _remove_owned(self, namespace: str, uid: str) -> None:
        """Delete what had the object *uid* as its only owner."""
        for kind in self._store.kinds():
            for key, item in tuple(self._store.all(kind).items()):
                owners = item["metadata"].get("ownerReferences") or ()
                owned = owners and all(owner.get("uid") == uid for owner in owners)
                reached = namespace in ("", key.namespace)
                if owned and reached and self._store.find(kind, key) is not None:
                    self.delete(_BY_KIND[kind], key)

    def _empty(self, namespace: str) -> None:
        for kind in self._store.kinds():
            for key in tuple(self._store.all(kind)):
                if key.namespace == namespace and self._store.find(kind, key) is not None:
                    self.delete(_BY_KIND[kind], key)

    def _end_namespace_if_empty(self, namespace: str) -> None:
        key = Key("", namespace)
        item = self._store.find(NAMESPACE, key)
        if item is None or "deletionTimestamp" not in item["metadata"] or item["metadata"].get("finalizers"):
            return
        if not any(
            key.namespace == namespace for kind in self._store.kinds() for key in self._store.all(kind)
        ):
            self._store.remove(NAMESPACE, key)
