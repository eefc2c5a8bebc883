"""Why the identity service gives no certificate: a class each, with the status and the reason it answers."""

from certs.review_queue import Account


class Refused(Exception):
    """No certificate. `str()` is for the one who asked; it holds nothing secret."""

    status = 400
    reason = "bad_request"

    def __init__(self, sentence: str, retry_after: int = 0, *, account: Account | None = None) -> None:
        super().__init__(sentence)
        self.retry_after = retry_after
        """Whole seconds after which to ask again; 0 says nothing of it."""

        self.account = account
        """Who asked, once the cluster has said it."""


class BadRequest(Refused):
    """The body is not what the service reads."""


class BadSigningRequest(Refused):
    """The certificate request is damaged or asks for something else."""

    reason = "bad_csr"


class NotVouchedFor(Refused):
    """The token is none that the cluster would vouch for."""

    status = 401
    reason = "token_refused"


class NotTheirs(Refused):
    """The identity is not that of the token's service account."""

    status = 403
    reason = "identity_mismatch"


class TooOften(Refused):
    """The account has had its share for now."""

    status = 429
    reason = "rate_limited"


class Unavailable(Refused):
    """It is our fault, or the cluster's; later it may work."""

    status = 503
    reason = "unavailable"
