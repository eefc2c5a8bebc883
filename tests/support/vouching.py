"""What stands for the cluster behind an identity service: it knows tokens, and is told things."""

from dataclasses import dataclass, field

from certs.notices import Notice
from certs.review_queue import Account, ReviewFailed, TokenRefused
from certs.service import AUDIENCE


@dataclass(slots=True)
class Tokens:
    """Knows whose each token is: namespace and account."""

    known: dict[str, tuple[str, str]]
    asked: list[str] = field(default_factory=list)
    failing: bool = False

    async def review(self, token: str, audience: str) -> Account:
        assert audience == AUDIENCE
        self.asked.append(token)
        if self.failing:
            raise ReviewFailed("the cluster does not answer")
        if token not in self.known:
            raise TokenRefused("the cluster does not accept the token")
        return Account(*self.known[token], uid="1234")


class Told:
    """What was told, in order."""

    def __init__(self) -> None:
        self.notices: list[Notice] = []

    def tell(self, notice: Notice) -> None:
        self.notices.append(notice)

    @property
    def reasons(self) -> list[str]:
        return [notice.reason for notice in self.notices]
