"""A Link written in any of its three versions is served, and told of in the same way."""

from dataclasses import replace
from typing import Any

import pytest

from cluster.kinds import LINK
from mirror import marks
from tests.kubernetes.whole import mirrored, synced
from tests.support.clusters import GATEWAY, IDENTITY, World

SPEC: dict[str, Any] = {
    "targetClusterName": "east",
    "targetClusterDomain": "cluster.local",
    "clusterCredentialsSecret": "cluster-credentials-east",
    "gatewayAddress": GATEWAY,
    "gatewayPort": "4143",
    "gatewayIdentity": IDENTITY,
    "probeSpec": {"path": "/ready", "port": "4191", "period": "1s"},
    "selector": {"matchLabels": {marks.EXPORTED: "true"}},
}


@pytest.mark.parametrize("version", ["v1alpha1", "v1alpha2", "v1alpha3"])
async def test_a_link_of_any_version_is_served(at: World, version: str) -> None:
    await at.east.service()
    await at.secret("east", at.east)
    await at.west.make(replace(LINK, version=version), "east", "jackstay", spec=SPEC)
    async with at.mirroring():
        await mirrored(at)
        await synced(at)
    # What the older versions cannot say is kept: it is one object.
    shown = await at.west.api.get(replace(LINK, version=version), "jackstay", "east")
    assert shown["apiVersion"] == f"multicluster.linkerd.io/{version}"
    assert marks.FINALIZER in shown["metadata"]["finalizers"]
