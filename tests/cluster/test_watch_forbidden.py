"""What an informer knows and says when the API server does not let it do all that it wants."""

import asyncio

from structlog.testing import capture_logs

from cluster.client import Cluster
from cluster.errors import Forbidden
from cluster.kinds import SERVICE
from cluster.objects import Service
from cluster.watch import Informer
from tests.cluster.test_watch import QUICK, following
from tests.support.scripted_api import Hold, ScriptedApi, service


async def test_who_may_list_and_not_watch_is_not_well_after_a_listing() -> None:
    async with ScriptedApi() as api:
        api.lists(service("a", "3"), version="5")
        for _ in range(3):
            api.watch_fails(403)
        api.lists(service("b", "6"), version="7")
        api.watches(Hold())
        with capture_logs() as logs:
            async with following(api) as followed:
                it = await followed.until(lambda it: it.failure is not None)
                await followed.until(lambda it: it.snapshot is not None and it.snapshot.version == "7")
                assert isinstance(it.failure, Forbidden)
                await followed.until(lambda it: it.failure is None)
        told = [line["event"] for line in logs if line["log_level"] == "warning"]
        assert told == ["informer.failed"]


def is_nameless(informer: Informer[Service]) -> bool:
    return informer.snapshot is not None and informer.snapshot.cluster_uid == ""


def reason(informer: Informer[Service]) -> str | None:
    return informer.nameless.reason if informer.nameless else None


async def test_a_cluster_that_may_not_be_named_is_followed_and_that_is_told_once() -> None:
    async with ScriptedApi() as api, Cluster(api.access) as cluster:
        news = asyncio.Event()
        informer = Informer(
            cluster, SERVICE, Service.from_dict, changed=news.set, pace=QUICK, identified=True
        )
        api.fails(403)
        api.lists(service("a", "3"), version="5")
        api.watches(Hold())
        with capture_logs() as logs:
            running = asyncio.create_task(informer.run())
            await news.wait()
            assert is_nameless(informer)
            assert reason(informer) == "forbidden"
            api.lists(service("a", "3"), version="5")
            api.watches(Hold())
            news.clear()
            informer.list_since(asyncio.get_running_loop().time())
            while is_nameless(informer):
                await news.wait()
                news.clear()
            assert reason(informer) is None
            running.cancel()
            await asyncio.wait([running])
        assert [line["event"] for line in logs if line["log_level"] == "warning"] == ["cluster.nameless"]
