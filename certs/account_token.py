"""
Whose a service account's token is, as it says itself.

Nothing here verifies a signature: it is our own token, and whoever we show it to asks the cluster. What is
read of it says which identity to ask for, and that it is not one which opens more than our certificate.
"""

import base64
import binascii
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from certs import pem

MOST = 16 * 1024
"""Bytes of a token; the kubelet's have about one thousand."""

_PART = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)


class InvalidToken(ValueError):
    """There is no token, or not one to ask for a certificate with; says what is wrong, never the token."""


@dataclass(frozen=True, slots=True)
class AccountToken:
    """A token, and the service account that it says it is of."""

    namespace: str
    account: str
    text: str = field(repr=False)


def read(path: Path, *, audience: str) -> AccountToken:
    """The token that *path* holds now. Raises InvalidToken, naming the file."""
    try:
        data = pem.read(path)
    except pem.Unreadable as error:
        raise InvalidToken(
            f"{error}; a pod has it from a projected volume with a serviceAccountToken of audience {audience}"
        ) from error
    try:
        return parse(data, audience=audience)
    except InvalidToken as error:
        raise InvalidToken(f"{path}: {error}") from error


def parse(data: bytes, *, audience: str) -> AccountToken:
    """Read a token of a service account, made for *audience*. Raises InvalidToken."""
    try:
        text = data.decode("ascii").strip()
    except UnicodeDecodeError as error:
        raise InvalidToken(_NO_JWT) from error
    if not text:
        raise InvalidToken("it is empty, where a token should be")
    if len(text) > MOST:
        raise InvalidToken(f"{len(text)} bytes are over the {MOST} that a token may have")
    claims = _claims(text)
    match str(claims.get("sub")).split(":"):
        case ["system", "serviceaccount", namespace, account] if namespace and account:
            pass
        case _:
            raise InvalidToken(
                "the token is not that of a service account, whose sub is "
                "system:serviceaccount:<namespace>:<name>"
            )
    made_for = claims.get("aud")
    if made_for != audience and not (isinstance(made_for, list) and audience in made_for):
        raise InvalidToken(f"the token is not made for audience {audience}, so it is shown to nobody")
    return AccountToken(namespace, account, text)


_NO_JWT = "it is not a JWT, which is three parts in base64url with dots between them"


# Any: claims are looked at where they are used.
def _claims(text: str) -> dict[str, Any]:
    parts = text.split(".")
    if len(parts) != 3 or not all(map(_PART.fullmatch, parts)):
        raise InvalidToken(_NO_JWT)
    try:
        claims = json.loads(base64.b64decode(parts[1] + "=" * (-len(parts[1]) % 4), altchars=b"-_"))
    except (binascii.Error, ValueError, RecursionError) as error:
        raise InvalidToken(_NO_JWT) from error
    if not isinstance(claims, dict):
        raise InvalidToken(_NO_JWT)
    return claims
