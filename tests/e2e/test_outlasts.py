"""A link outlasts the token that it was made with."""

import base64
import time

import yaml

from mirror.token import Lifetime, lifetime
from tests.e2e.conftest import Two
from tests.e2e.site import eventually


def _token(two: Two) -> Lifetime:
    data = two.west.get("secret", "cluster-credentials-east", "jackstay")["data"]["kubeconfig"]
    found = lifetime(yaml.safe_load(base64.b64decode(data))["users"][0]["user"]["token"])
    assert found is not None
    return found


def test_the_token_is_renewed_at_half_its_life(two: Two, exported: str) -> None:
    """It was made for ten minutes when west was linked; this is the last test before all is removed."""
    first = _token(two)
    if (first.ends - first.begins).total_seconds() < 3600:
        due = max(0.0, first.renewed_at.timestamp() - time.time())
        eventually(lambda: _token(two).ends > first.ends, "another token in the Secret", patience=due + 60)
    fresh = _token(two)
    assert (fresh.ends - fresh.begins).total_seconds() >= 24 * 3600
    assert (fresh.namespace, fresh.service_account) == ("jackstay", "jackstay-remote-access")
    ends = f"{fresh.ends:%Y-%m-%d %H:%M} UTC"
    eventually(
        lambda: ends in two.west.conditions("east", "message")["CredentialsValid"],
        "the Link to say until when the token holds",
    )
    eventually(lambda: set(two.west.conditions("east").values()) == {"True"}, "a Link without complaints")
    assert two.west.mirrored("podinfo-east") == ({exported}, set())
