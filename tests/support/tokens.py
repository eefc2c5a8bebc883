"""Tokens of service accounts as the kubelet writes them, signed by nobody."""

import base64
import json
from collections.abc import Mapping

from certs.service import AUDIENCE


def token(namespace: str, account: str, *, audience: str = AUDIENCE) -> str:
    """Says that it is of *account*; a cluster would not know it."""
    return jwt({"sub": f"system:serviceaccount:{namespace}:{account}", "aud": [audience], "exp": 2**31})


def jwt(claims: Mapping[str, object]) -> str:
    """*claims* in the form of a JWT."""
    return ".".join(
        base64.urlsafe_b64encode(part).rstrip(b"=").decode()
        for part in (b'{"alg":"RS256"}', json.dumps(claims).encode(), b"no signature")
    )
