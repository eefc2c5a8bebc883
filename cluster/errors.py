"""What can go wrong between us and an API server: one class per answer that somebody handles."""


class ClusterError(Exception):
    """A request to a cluster failed. The message says which cluster, verb, kind and object."""

    reason = "cluster_error"


class Unreachable(ClusterError):
    """No answer: not connected, not trusted, cut off, or not in time."""

    reason = "unreachable"


class NotConnected(Unreachable):
    """No connection: refused, no way there, not trusted, not in time. The same for whatever is asked."""


class BrokenAnswer(ClusterError):
    """An answer that is not what the API promises: not JSON, cut short, too large, a redirect."""

    reason = "broken_answer"


class Unauthorized(ClusterError):
    """401: the server does not accept who we say we are."""

    reason = "unauthorized"


class Forbidden(ClusterError):
    """403: we may not do that."""

    reason = "forbidden"


class NotFound(ClusterError):
    """404: no such object, or no such kind over there."""

    reason = "not_found"


class Conflict(ClusterError):
    """409: the object is not (or no longer) what we took it for. Read again, plan again."""

    reason = "conflict"


class AlreadyExists(Conflict):
    """409 to a create: the name is taken."""

    reason = "already_exists"


class Gone(ClusterError):
    """410: the resource version or the next page is no longer kept. List again."""

    reason = "gone"


class Invalid(ClusterError):
    """400 or 422: the server refuses the object itself; the same will not be accepted later."""

    reason = "invalid"


class TooManyRequests(ClusterError):
    """429: the server asks us to wait."""

    reason = "too_many_requests"

    def __init__(self, message: str, *, retry_after: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        """Seconds, as the server asked."""


class ServerFault(ClusterError):
    """5xx, or a status that nobody expects."""

    reason = "server_fault"


def from_status(status: int, message: str, *, reason: str = "", retry_after: float = 1.0) -> ClusterError:
    """
    The error for an HTTP *status* (or a Status object's `code`) and its `reason`.

    Where both are there the reason decides between the two kinds of 409.
    """
    if status == 429:
        return TooManyRequests(message, retry_after=retry_after)
    if status == 409 and reason == "AlreadyExists":
        return AlreadyExists(message)
    return _CLASSES.get(status, ServerFault)(message)


_CLASSES: dict[int, type[ClusterError]] = {
    400: Invalid,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    410: Gone,
    422: Invalid,
}
