"""Pods that are issued their certificates, by a real API server: it takes them, and its tokens are read."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from certs.account_token import InvalidToken, parse
from certs.service import AUDIENCE
from cli.install.everything import manifests
from cli.install.wanted import Wanted
from cluster.client import Cluster
from cluster.kinds import CONFIG_MAP, DEPLOYMENT, NAMESPACE, POD, SERVICE_ACCOUNT
from tests.support.pki import Pki
from tests.support.real_api import HOW_TO_GET_THEM, RealApi, assets, real_api

DOCS = Path(__file__).parents[2] / "docs" / "kubernetes"
KINDS = {kind.kind: kind for kind in (CONFIG_MAP, DEPLOYMENT, NAMESPACE, POD, SERVICE_ACCOUNT)}


@pytest.fixture(scope="module", name="real")
def real_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealApi]:
    binaries = assets()
    if binaries is None:
        pytest.skip(HOW_TO_GET_THEM)
    with real_api(binaries, Path(tmp_path_factory.mktemp("issued"))) as api:
        yield api


@pytest.fixture(name="cluster")
async def cluster_of(real: RealApi) -> AsyncIterator[Cluster]:
    await real.ready()
    async with Cluster(real.access) as cluster:
        yield cluster


async def made(cluster: Cluster, documents: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [await cluster.create(KINDS[one["kind"]], one) for one in documents if one["kind"] in KINDS]


async def test_a_real_api_server_takes_them_and_its_tokens_say_whose_they_are(cluster: Cluster) -> None:
    wanted = Wanted(trust_anchors=Pki.make().bundle, identity_service=True)
    await made(cluster, list(manifests(wanted)))
    await made(cluster, [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "test"}}])
    documents = list(yaml.safe_load_all((DOCS / "client-identity.yaml").read_text()))
    pod = (await made(cluster, documents))[-1]
    token = next(volume for volume in pod["spec"]["volumes"] if volume["name"] == "identity-token")
    (source,) = token["projected"]["sources"]
    asked = source["serviceAccountToken"]
    for namespace, account in (
        ("jackstay", "jackstay-gateway"),
        ("jackstay", "jackstay-mirror"),
        ("test", "web"),
    ):
        granted = await cluster.create_token(
            namespace, account, audiences=[asked["audience"]], seconds=asked["expirationSeconds"]
        )
        read = parse(granted.token.encode(), audience=AUDIENCE)
        assert (read.namespace, read.account) == (namespace, account)
    others = await cluster.create_token("test", "web", audiences=["another"], seconds=3600)
    with pytest.raises(InvalidToken, match="not made for audience"):
        parse(others.token.encode(), audience=AUDIENCE)
