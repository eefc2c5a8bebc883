"""Tokens of service accounts, asked of the small API server and of a real one alike."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from cluster.access import Access
from cluster.client import Cluster
from cluster.errors import NotFound, Unauthorized
from cluster.kinds import (
    NAMESPACE,
    SERVICE_ACCOUNT,
)
from tests.kubernetes.contract import an


async def test_a_service_accounts_token_is_its_own(cluster: Cluster, namespace: str) -> None:
    await cluster.create(SERVICE_ACCOUNT, an(SERVICE_ACCOUNT, namespace, "web"))
    audience = "identity.jackstay.io"
    token = await cluster.create_token(namespace, "web", audiences=(audience,), seconds=3600)
    assert 3000 < (token.expires - datetime.now(UTC)).total_seconds() <= 3700
    assert token.token not in repr(token)
    reviewed = await cluster.review_token(token.token, (audience,))
    assert reviewed.authenticated
    assert reviewed.username == f"system:serviceaccount:{namespace}:web"
    assert reviewed.audiences == (audience,)
    elsewhere = await cluster.review_token(token.token, ("elsewhere",))
    assert not elsewhere.authenticated
    assert not (await cluster.review_token("no-token", (audience,))).authenticated
    with pytest.raises(NotFound):
        await cluster.create_token(namespace, "nobody", seconds=3600)


async def test_a_token_lets_in_and_a_wrong_one_does_not(cluster: Cluster, namespace: str) -> None:
    await cluster.create(SERVICE_ACCOUNT, an(SERVICE_ACCOUNT, namespace, "web"))
    token = await cluster.create_token(namespace, "web", seconds=3600)
    async with Cluster(replaced(cluster, token.token)) as own:
        assert await own.uid() == await cluster.uid() != ""
        assert (await own.version()).startswith("v1.")
    async with Cluster(replaced(cluster, "wrong")) as stranger:
        with pytest.raises(Unauthorized):
            await stranger.get(NAMESPACE, None, namespace)


def replaced(cluster: Cluster, token: str) -> Access:
    return replace(cluster.access, token=token)
