"""
Bearer tokens: the administrator's, and those of service accounts, which are signed JWTs (HS256).

A service account's token says for which audiences it is and until when; it is good while the account
with that uid exists. The signing key is part of the cluster's data, so that tokens outlive a restart.
Nothing says what an account may do: RBAC is not modelled.
"""

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from cluster.kinds import SERVICE_ACCOUNT, TOKEN_REVIEW
from cluster.local.refusals import BadRequest, Forbidden, Invalid, Mistake
from cluster.local.store import Store
from cluster.metadata import Key, Raw, time_text

ISSUER = "https://kubernetes.default.svc.cluster.local"
"""Who signs, and the audience that this API server itself is."""

SHORTEST = 600
LONGEST = 2**32
DEFAULT = 3600

_HEADER = {"alg": "HS256", "typ": "JWT"}


class NotAuthentic(Exception):
    """A token that nobody is known by. The message says why, without the token."""

    reason = "not_authentic"


@dataclass(frozen=True, slots=True)
class User:
    """Who a token stands for."""

    name: str
    uid: str
    groups: tuple[str, ...]
    audiences: tuple[str, ...]
    """Those the token is for, of those that were asked about."""


@dataclass(frozen=True)
class Authority:
    """Signs tokens and knows them again."""

    key: bytes
    admin: str
    store: Store
    now: Callable[[], datetime]

    def __repr__(self) -> str:
        return "Authority(…)"

    def user(self, token: str, audiences: Sequence[str] = ()) -> User:
        """Who *token* stands for, towards one of *audiences* (none: this server). Raises NotAuthentic."""
        wanted = tuple(audiences) or (ISSUER,)
        if hmac.compare_digest(token.encode(), self.admin.encode()):
            return User("kubernetes-admin", "admin", ("system:masters", "system:authenticated"), wanted)
        claims = verified(self.key, token)
        if self.now().timestamp() >= claims["exp"]:
            raise NotAuthentic("the token has expired")
        namespace, name, uid = _account(claims)
        account = self.store.find(SERVICE_ACCOUNT, Key(namespace, name))
        if account is None or account["metadata"]["uid"] != uid:
            raise NotAuthentic(f"the service account {namespace}/{name} of the token no longer exists")
        common = tuple(audience for audience in wanted if audience in claims["aud"])
        if not common:
            raise NotAuthentic(f"the token is for {', '.join(claims['aud'])}, not for {', '.join(wanted)}")
        groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated")
        return User(claims["sub"], uid, groups, common)

    def review(self, body: Raw) -> Raw:
        """The answer to a TokenReview."""
        spec = _spec(body)
        token, audiences = spec.get("token"), _texts(spec.get("audiences"), "spec.audiences")
        if not isinstance(token, str) or not token:
            raise BadRequest("token is required for TokenReview in authentication")
        try:
            user = self.user(token, audiences)
            status: Raw = {
                "authenticated": True,
                "user": {"username": user.name, "uid": user.uid, "groups": list(user.groups)},
                "audiences": list(user.audiences),
            }
        except NotAuthentic as error:
            status = {"authenticated": False, "user": {}, "error": f"invalid bearer token: {error}"}
        head = {"apiVersion": TOKEN_REVIEW.api_version, "kind": TOKEN_REVIEW.kind}
        return {**head, "metadata": {}, "spec": spec, "status": status}

    def request(self, account: Raw, body: Raw, *, unique: str) -> Raw:
        """The answer to a TokenRequest for the service *account*. Raises Invalid, BadRequest, Forbidden."""
        spec, about = _spec(body), account["metadata"]
        audiences = _texts(spec.get("audiences"), "spec.audiences") or [ISSUER]
        seconds = spec.get("expirationSeconds") or DEFAULT
        if not isinstance(seconds, int) or not SHORTEST <= seconds <= LONGEST:
            why = "may not specify a duration less than 10 minutes or more than 2^32 seconds"
            mistake = Mistake.invalid("spec.expirationSeconds", seconds, why)
            raise Invalid(f'TokenRequest "{about["name"]}" is invalid: {mistake}')
        if spec.get("boundObjectRef"):
            raise Forbidden(
                "this local cluster binds tokens to their service account only: leave out boundObjectRef"
            )
        now, end = self.now(), self.now() + timedelta(seconds=seconds)
        claims = {
            "iss": ISSUER,
            "sub": f"system:serviceaccount:{about['namespace']}:{about['name']}",
            "aud": audiences,
            "iat": int(now.timestamp()),
            "nbf": int(now.timestamp()),
            "exp": int(end.timestamp()),
            "jti": unique,
            "kubernetes.io": {
                "namespace": about["namespace"],
                "serviceaccount": {"name": about["name"], "uid": about["uid"]},
            },
        }
        return {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "metadata": {
                "name": about["name"],
                "namespace": about["namespace"],
                "creationTimestamp": time_text(now),
            },
            "spec": {"audiences": audiences, "expirationSeconds": seconds},
            "status": {"token": signed(self.key, claims), "expirationTimestamp": time_text(end)},
        }


def signed(key: bytes, claims: Raw) -> str:
    """*claims* as a JWT."""
    text = f"{_part(_HEADER)}.{_part(claims)}"
    return f"{text}.{_encoded(hmac.digest(key, text.encode(), hashlib.sha256))}"


# Any: claims are read where they are used, after the signature has shown that we made them.
def verified(key: bytes, token: str) -> dict[str, Any]:
    """The claims of a JWT that *key* has signed. Raises NotAuthentic."""
    text, dot, signature = token.rpartition(".")
    try:
        given = base64.urlsafe_b64decode(signature + "==")
        if not dot or not hmac.compare_digest(given, hmac.digest(key, text.encode(), hashlib.sha256)):
            raise NotAuthentic("the token is not signed by this cluster")
        claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(text.partition(".")[2] + "=="))
    except (binascii.Error, ValueError) as error:
        raise NotAuthentic("the token is not one of this cluster") from error
    return claims


def _part(value: Mapping[str, Any]) -> str:
    return _encoded(json.dumps(value, separators=(",", ":")).encode())


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _account(claims: dict[str, Any]) -> tuple[str, str, str]:
    bound = claims["kubernetes.io"]
    return bound["namespace"], bound["serviceaccount"]["name"], bound["serviceaccount"]["uid"]


def _spec(body: object) -> Raw:
    spec = body.get("spec") if isinstance(body, dict) else None
    if not isinstance(spec, dict):
        raise BadRequest("spec is not an object")
    return spec


def _texts(value: object, field: str) -> list[str]:
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise BadRequest(f"{field} is not a list of strings")
    return value
