"""What the state of a Link amounts to, as findings for its status. Pure."""

from collections import Counter
from collections.abc import Mapping

from cluster.errors import AlreadyExists, ClusterError, Forbidden, Unauthorized, Unreachable
from cluster.kinds import LINK
from cluster.objects import Key
from mirror import marks
from mirror.exports import shut_by_mistake
from mirror.link import InvalidLink
from mirror.look import Look
from mirror.mirror_objects import Mirror
from mirror.observed import Observed
from mirror.outage import Outage
from mirror.setbacks import Setbacks
from mirror.status import MOST_LISTED, Finding, Mirrored, Report
from mirror.token import Lifetime
from mirror.wanted import CONFLICT, Desired, Unmirrored

REACHABLE = Finding(ok=True, reason="Answering")


def credentials(
    failure: ClusterError | None,
    *,
    complete: bool,
    token: Lifetime | None,
    cluster: str,
    kept: str = "",
    nameless: ClusterError | None = None,
) -> Finding | None:
    """
    Whether the other cluster takes our credentials; None while that is not known.

    *kept* is why the token could not be renewed, *nameless* why that cluster cannot be told from another.
    """
    if isinstance(failure, Unauthorized):
        until = f" (it was to hold until {_moment(token)})" if token else ""
        message = (
            f"{failure}: the token{until} has ended or its account is gone; everything stays as it is until "
            f"`jackstay link --cluster-name {cluster}` has made another"
        )
        return Finding(ok=False, reason="Unauthorized", message=message)
    if isinstance(failure, Forbidden):
        return Finding(ok=False, reason="Forbidden", message=str(failure))
    if not complete or failure is not None:
        return None
    said = []
    if token:
        renewal = f"could not be renewed: {kept}" if kept else "is renewed at half its life"
        said.append(f"the token ends at {_moment(token)} and {renewal}")
    if nameless is not None:
        said.append(f"that it is another cluster than before would not be noticed: {nameless}")
    return Finding(ok=True, reason="Accepted", message="; ".join(said))


def _moment(token: Lifetime) -> str:
    return f"{token.ends:%Y-%m-%d %H:%M} UTC"


def not_asked(refused: Finding) -> Finding:
    """Nobody asks the other cluster, since the credentials are *refused*."""
    return Finding(ok=None, reason="NoCredentials", message=f"nobody asks it: {refused.message}")


def unreachable(outage: Outage) -> Finding:
    """Why the other cluster does not let itself be read."""
    failure = outage.because
    reason = Unreachable.__name__ if isinstance(failure, Unreachable) else type(failure).__name__
    return Finding(ok=False, reason=reason, message=str(failure))


def refused_here(refusal: Forbidden) -> Finding:
    """Our own cluster does not let us follow what we need."""
    return Finding(ok=False, reason="Forbidden", message=f"the mirrors cannot be kept: {refusal}")


def unclaimed(error: ClusterError) -> Finding:
    """The Link itself cannot be written; nothing is made for it before that."""
    return Finding(ok=False, reason="LinkNotWritten", message=f"the Link cannot be written: {error}")


def unread(outage: Outage) -> Finding:
    """Whether the mirrors are what they ought to be nobody knows, with the other cluster away for long."""
    failure = outage.because
    reason = "RemoteUnreachable" if isinstance(failure, Unreachable) else "RemoteUnreadable"
    since = f"{outage.since:%Y-%m-%d %H:%M:%S} UTC"
    return Finding(ok=None, reason=reason, message=f"since {since} the mirrors stay as they are: {failure}")


def services(observed: Observed, desired: Desired, setbacks: Setbacks) -> dict[Key, Mirrored]:
    """
    What has become of each exported Service; without those that are just being written.

    Of more than a status lists only those of which there is more to say than that they are mirrored.
    """
    found: dict[Key, Mirrored] = {}
    listed: Mapping[Key, Mirror | Unmirrored] = desired.services
    if len(listed) > MOST_LISTED:
        failing = {desired.remote_of[key] for key in setbacks if key in desired.remote_of}
        listed = {**desired.troubled, **{remote: desired.services[remote] for remote in failing}}
    for remote, what in listed.items():
        if not isinstance(what, Mirror):
            found[remote] = Mirrored(Finding(ok=False, reason=what.reason, message=what.message))
            continue
        setback = setbacks.get(what.key)
        if setback is not None and setback.worth_telling:
            reason = CONFLICT if isinstance(setback.error, AlreadyExists) else "Error"
            message = f"Failed to write the mirror: {setback.error}"
            found[remote] = Mirrored(Finding(ok=False, reason=reason, message=message))
        elif what.conflict:
            found[remote] = Mirrored(Finding(ok=False, reason=CONFLICT, message=what.conflict))
        elif what.key in observed.local.services:
            shut = shut_by_mistake(observed.remote.services[remote]) or ""
            found[remote] = Mirrored(Finding(ok=True, reason="Mirrored", message=shut), what.key)
    return found


def conflicts(desired: Desired) -> dict[Key, str]:
    """The exported Services in whose mirror's way something stands that is somebody else's, and what."""
    found = {}
    for remote, what in desired.troubled.items():
        if isinstance(what, Mirror):
            if what.conflict:
                found[remote] = what.conflict
        elif what.reason == CONFLICT:
            found[remote] = what.message
    return found


def newly_skipped(before: Desired | None, desired: Desired) -> dict[Key, Unmirrored]:
    """The exported Services that have come to have no mirror, or have none for another reason, and why."""
    known = before.troubled if before is not None else {}
    return {
        remote: what
        for remote, what in desired.troubled.items()
        if isinstance(what, Unmirrored) and known.get(remote) != what
    }


def synced(look: Look, found: Mapping[Key, Mirrored], setbacks: Setbacks) -> Finding | None:
    """Whether the mirrors are what they ought to be; None while all that is not is being written."""
    observed = look.observed
    if observed.replaced:
        message = (
            f"this is another cluster than before (kube-system has uid {observed.remote.cluster_uid}, "
            f"not {observed.link.remote_uid}): nothing is deleted. If that is meant: kubectl annotate "
            f"{LINK.plural}.{LINK.group} -n {observed.link.namespace} {observed.link.name} "
            f"{marks.REMOTE_UID}-"
        )
        return Finding(ok=False, reason="ClusterReplaced", message=message)
    stuck = [setbacks[key] for key in look.desired.withdrawn if key in setbacks]
    told = [setback.error for setback in stuck if setback.worth_telling]
    if told:
        message = f"{_count(len(told), 'mirror')} cannot be removed: {told[0]}"
        return Finding(ok=False, reason="DeletionFailed", message=message)
    if look.withheld:
        return Finding(ok=False, reason="DeletionsWithheld", message=withheld(look.withheld))
    failing = {remote: mirrored.finding for remote, mirrored in found.items() if not mirrored.finding.ok}
    total = len(look.desired.services)
    if failing:
        return _not_mirrored(failing, total)
    if look.busy:
        return None
    are = "is" if total == 1 else "are"
    mirrored = f"{_count(total, 'service')} {are} mirrored"
    return Finding(ok=True, reason="Synced", message=f"{mirrored}{_shut(found)}")


def _shut(found: Mapping[Key, Mirrored]) -> str:
    """That some of what is mirrored lets nobody in over there, and the first of it."""
    shut = {
        remote: mirrored.finding.message for remote, mirrored in found.items() if mirrored.finding.message
    }
    if not shut:
        return ""
    remote, why = min(shut.items())
    one = len(shut) == 1
    return f"; {_count(len(shut), 'service')} {'lets' if one else 'let'} nobody in: {remote}: {why}"


def _not_mirrored(failing: Mapping[Key, Finding], of: int) -> Finding:
    """That a conflict is among them is the reason: nothing but a person ends it."""
    conflicts = {remote: finding for remote, finding in failing.items() if finding.reason == CONFLICT}
    remote, first = min((conflicts or failing).items())
    are = "is" if len(failing) == 1 else "are"
    more = f"; {len(failing) - 1} more under mirrorServices" if len(failing) > 1 else ""
    message = f"{len(failing)} of {_count(of, 'service')} {are} not mirrored: {remote}: {first.message}{more}"
    return Finding(ok=False, reason=CONFLICT if conflicts else "NotMirrored", message=message)


def withheld(mirrors: Mapping[Key, str]) -> str:
    """How many *mirrors* are kept for each reason."""
    return "; ".join(
        f"{_count(number, 'mirror')} {'is' if number == 1 else 'are'} kept {why}"
        for why, number in sorted(Counter(mirrors.values()).items())
    )


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def invalid(mistakes: InvalidLink, *, goes_on: bool) -> Finding:
    """*goes_on*: what the Link said before is known, and still holds."""
    as_before = "; until this is mended everything goes on as the Link last said it" if goes_on else ""
    return Finding(ok=False, reason="InvalidLink", message=f"{mistakes}{as_before}")


def nothing_asked(generation: int, mistakes: InvalidLink | None) -> Report:
    """Of a Link that we never knew without mistakes (or not at all yet): then nobody asks anybody."""
    if mistakes is None:
        return Report(generation)
    unasked = Finding(ok=None, reason="InvalidLink", message="nobody asks: the Link cannot be read")
    synced = invalid(mistakes, goes_on=False)
    return Report(generation, credentials=unasked, remote=unasked, gateway=unasked, synced=synced)
