"""
What the endpoints of a mirror show, why, and since when: said on the objects themselves. Pure.

Whoever looks at a mirror whose addresses are not ready reads there whether it is the gateway that is
silent or the service over there that has nobody behind it, and how long it has been so.
"""

from collections.abc import Mapping

from mirror import marks

READY = "Ready"
NO_ENDPOINTS = "NoReadyEndpoints"
NOT_ANSWERING = "GatewayNotAnswering"
NOT_PROBED = "GatewayNotProbedYet"
NO_ADDRESS = "GatewayHasNoAddress"
WITHDRAWN = "Withdrawn"
"""No longer exported over there, or not to be mirrored as it is; it is deleted when that is certain."""

Verdict = tuple[str, bool, bool | None]
"""An address of the gateway, whether it is shown as ready, and the last verdict on it."""


def annotations(
    gateway: tuple[Verdict, ...], endpoints: int, standing: Mapping[str, str], now: str
) -> dict[str, str]:
    """
    What is said of *gateway* and so many ready *endpoints* behind it.

    *standing* said it before; *now* is the time, if it has become another reason.
    """
    reason = _because(gateway, endpoints, standing.get(marks.REASON, ""))
    return {marks.READY_ENDPOINTS: str(endpoints), **since(reason, standing, now)}


def since(reason: str, standing: Mapping[str, str], now: str) -> dict[str, str]:
    """*reason*, and since when it has been that, as *standing* said it or *now*."""
    at = standing.get(marks.SINCE, "") if standing.get(marks.REASON) == reason else ""
    return {marks.REASON: reason, marks.SINCE: at or now}


def _because(gateway: tuple[Verdict, ...], endpoints: int, before: str) -> str:
    if not endpoints:
        return NO_ENDPOINTS
    if any(ready for _, ready, _ in gateway):
        return READY
    if not gateway:
        return NO_ADDRESS
    if all(alive is not None for _, _, alive in gateway):
        return NOT_ANSWERING
    # Before there is a verdict what stands is left as it is, and so is what is said of it.
    return NOT_ANSWERING if before == NOT_ANSWERING else NOT_PROBED
