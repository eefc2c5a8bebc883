"""What a command line of `certs rotate` means: which anchors, which clusters, and what is there now."""

import asyncio
import shlex
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from cryptography import x509

from certs import certificate
from certs.generation import load_bundle
from certs.trust_bundle import InvalidTrustBundle
from cli.certs_bundle import SHORTEST, named
from cli.errors import CliError, explained
from cli.rotation import reading
from cli.rotation.seen import Place, Seen
from cluster.access import Access
from cluster.kubeconfig import RefusedKubeconfig, local
from process.address import Address


def old_anchor(text: str, seen: Seen) -> str:
    """The fingerprint that *text* means; one of a file may be held by nobody any more."""
    held = [anchor for place in seen.places if place.bundle for anchor in place.bundle.anchors]
    if Path(text).exists():
        with explained(InvalidTrustBundle):
            return named(text, load_bundle(Path(text)).anchors)
    short = text.replace(":", "").lower()
    told = {one for one in seen.anchors() if one.startswith(short)} if len(short) >= SHORTEST else set()
    return told.pop() if len(told) == 1 else named(text, held)


def new_anchor(file: Path, now: datetime) -> x509.Certificate:
    """The one anchor in *file*, valid *now*. Raises CliError."""
    with explained(InvalidTrustBundle):
        bundle = load_bundle(file)
    if len(bundle.anchors) != 1:
        raise CliError(f"{file} holds {len(bundle.anchors)} trust anchors; one at a time is rotated")
    (new,) = bundle.anchors
    if not certificate.valid_at(new, now):
        raise CliError(
            f"{file} is not valid now, but {certificate.validity(new)}",
            hint="Make a new anchor:  jackstay certs root root2.crt root2.key",
        )
    return new


def given(trust_anchors: Path | None, namespace: str) -> list[Place]:
    """The bundle of a file, as a place of its own. Raises CliError."""
    if trust_anchors is None:
        return []
    with explained(InvalidTrustBundle):
        return [Place("", namespace, load_bundle(trust_anchors))]


def clusters(
    kubeconfig: Path | None, contexts: list[str] | None, *, others: bool
) -> list[tuple[str, Access]]:
    """The clusters to ask: those named, or the current one unless there are *others* to ask."""
    if not contexts and others:
        return []
    wanted: Sequence[str | None] = contexts or [None]
    with explained(RefusedKubeconfig, OSError):
        found = [local(kubeconfig, context) for context in dict.fromkeys(wanted)]
    return [(access.name, access) for access in found]


def look(
    clusters: Sequence[tuple[str, Access]], admin: Sequence[Address], places: Sequence[Place], timeout: float
) -> Seen:
    """What all of them say within *timeout* seconds for each question."""
    return asyncio.run(reading.look(clusters, admin, places, patience=timeout))


def places(seen: Seen) -> list[Place]:
    """Every place that holds anchors. Raises CliError if one is broken, or there may be more."""
    if seen.unread:
        raise CliError("\n".join(one.why for one in seen.unread))
    for place in seen.places:
        if place.bundle is None:
            raise CliError(f"{place} is no bundle: {place.wrong}", hint="Mend it first; nothing was printed.")
    having = {place.context for place in seen.places}
    if lacking := [context for context in seen.contexts if context not in having]:
        raise CliError(
            f"{', '.join(lacking)}: there is no ConfigMap jackstay-trust-bundle in any namespace",
            hint="jackstay install prints it; for processes with files, name theirs: --trust-anchors FILE",
        )
    return list(seen.places)


def command(
    name: str,
    kubeconfig: Path | None,
    contexts: Sequence[str] | None,
    admin: Sequence[Address] | None = None,
) -> str:
    """`jackstay certs rotate` *name* about the same clusters and processes, for a shell."""
    flags = ["--kubeconfig", str(kubeconfig)] if kubeconfig else []
    flags += [word for context in contexts or () for word in ("--context", context)]
    flags += [word for one in admin or () for word in ("--admin", str(one))]
    return shlex.join(("jackstay", "certs", "rotate", *name.split(), *flags))


def who(seen: Seen) -> str:
    """Who was asked, for people to see who was not."""
    count = len(seen.processes)
    where = f" of {', '.join(seen.contexts)}" if seen.contexts else ""
    return f"Asked: {count} process{'' if count == 1 else 'es'}{where}. Nobody else was."
