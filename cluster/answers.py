"""What an API server answers, read: objects, lists, tokens, and errors with a sentence. Pure."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from cluster.errors import BrokenAnswer, ClusterError, from_status
from cluster.metadata import Metadata, Raw
from cluster.reading import Fields, Malformed

LONGEST_WAIT = 60.0
"""A server may ask for more patience than this; it does not get it."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked of whom: the beginning of every error's message."""

    cluster: str
    verb: str
    plural: str
    where: str
    """`namespace/name`, or the part of it that there is."""

    path: str

    def about(self, name: str) -> "Asked":
        """The same, about the object *name*, which is not in the path when it is created."""
        return replace(self, where=f"{self.where}/{name}".strip("/"))

    def say(self, sentence: str) -> str:
        what = f"{self.verb} {self.plural} {self.where}".strip()
        return f"{self.cluster}: {what}: {sentence}"


@dataclass(frozen=True, slots=True)
class Listing:
    """All objects of a kind, as of one version."""

    items: tuple[Raw, ...]
    resource_version: str


@dataclass(frozen=True, slots=True)
class Token:
    """A service account's token, and until when it holds."""

    token: str = field(repr=False)
    expires: datetime


@dataclass(frozen=True, slots=True)
class Reviewed:
    """What an API server says about a token."""

    authenticated: bool
    username: str
    """`system:serviceaccount:<namespace>:<name>` for a service account's."""

    audiences: tuple[str, ...]
    error: str
    uid: str = ""
    """Of the service account, which tells it from an earlier one of the same name."""


def parsed(asked: Asked, body: bytes) -> Raw:
    """The object in *body*. Raises BrokenAnswer."""
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BrokenAnswer(asked.say("the answer is not JSON")) from error
    if not isinstance(answer, dict):
        raise BrokenAnswer(asked.say("the answer is not an object"))
    return answer


def error(asked: Asked, status: int, body: bytes, retry_after: str) -> ClusterError:
    """The error that an answer of *status* stands for; its Status object says why, if there is one."""
    message, reason = "", ""
    try:
        fields = Fields.of(json.loads(body))
        message, reason = fields.text("message"), fields.text("reason")
    except (ValueError, RecursionError, Malformed):
        message = body[:200].decode("utf-8", "replace")
    sentence = f"{status} {reason}".strip() + (f": {_tidy(message)}" if message.strip() else "")
    seconds = float(retry_after) if retry_after.isascii() and retry_after.isdecimal() else 1.0
    return from_status(status, asked.say(sentence), reason=reason, retry_after=min(seconds, LONGEST_WAIT))


def following(asked: Asked, page: Raw) -> str:
    """What leads to the next page; "" on the last one."""
    try:
        return Fields.of(page).below("metadata").text("continue")
    except Malformed as mistake:
        raise BrokenAnswer(asked.say(str(mistake))) from mistake


def listing(asked: Asked, pages: Sequence[Raw]) -> Listing:
    """
    The list that *pages* are, of the version that all share. Raises BrokenAnswer.

    An object without `items` is no empty list: only a list without any says so by null or [].
    """
    items: list[Raw] = []
    versions = set()
    try:
        for page in pages:
            if "items" not in page:
                raise Malformed("items is missing")
            fields = Fields.of(page)
            items += fields.each("items", lambda item: dict(item.raw))
            versions.add(fields.below("metadata").required("resourceVersion"))
    except Malformed as mistake:
        raise BrokenAnswer(asked.say(f"the answer is no list: {mistake}")) from mistake
    if len(versions) != 1:
        raise BrokenAnswer(asked.say("the pages of the list are of different versions"))
    return Listing(tuple(items), versions.pop())


def token(asked: Asked, answer: Raw) -> Token:
    """The token in a TokenRequest's answer. Raises BrokenAnswer."""
    try:
        status = Fields.of(answer).below("status")
        expires = status.time("expirationTimestamp")
        if expires is None:
            raise Malformed("status.expirationTimestamp is missing")
        return Token(status.required("token"), expires)
    except Malformed as mistake:
        raise BrokenAnswer(asked.say(str(mistake))) from mistake


def reviewed(asked: Asked, answer: Raw) -> Reviewed:
    """The verdict in a TokenReview's answer. Raises BrokenAnswer."""
    try:
        status = Fields.of(answer).below("status")
        return Reviewed(
            authenticated=status.flag("authenticated") is True,
            username=status.below("user").text("username"),
            audiences=status.texts("audiences"),
            error=status.text("error"),
            uid=status.below("user").text("uid"),
        )
    except Malformed as mistake:
        raise BrokenAnswer(asked.say(str(mistake))) from mistake


def version(asked: Asked, answer: Raw) -> str:
    """The server's version. Raises BrokenAnswer."""
    try:
        return Fields.of(answer).required("gitVersion")
    except Malformed as mistake:
        raise BrokenAnswer(asked.say(str(mistake))) from mistake


def uid(asked: Asked, answer: Raw) -> str:
    """The uid of an object. Raises BrokenAnswer."""
    try:
        return Metadata.of(answer).uid
    except Malformed as mistake:
        raise BrokenAnswer(asked.say(str(mistake))) from mistake


def _tidy(message: str) -> str:
    """One line of a length that fits into a log: it is the other side that wrote it."""
    return " ".join("".join(c if c.isprintable() else " " for c in message[:500]).split())
