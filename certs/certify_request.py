"""What a workload posts to the identity service, read strictly."""

import json
from dataclasses import dataclass, field

from certs.identity import Identity, InvalidIdentity
from certs.refusals import BadRequest

MOST = 64 * 1024
"""Bytes of a request."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request said, read whole."""

    identity: Identity
    token: str = field(repr=False)
    csr: bytes


def read(body: bytes) -> Asked:
    """Read what was posted. Raises BadRequest."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadRequest("the body is not JSON") from error
    if not isinstance(found, dict):
        raise BadRequest("the body is not a JSON object")
    identity, token, csr = (_text(found.get(key), key) for key in ("identity", "token", "csr"))
    try:
        return Asked(Identity.parse(identity), token, csr.encode())
    except (InvalidIdentity, UnicodeEncodeError) as error:
        raise BadRequest(f"the identity is none: {error}") from error


def _text(value: object, key: str) -> str:
    if not isinstance(value, str) or not value.isascii() or not value:
        raise BadRequest(f"{key!r} is missing or no ASCII text; send identity, token and csr")
    return value
