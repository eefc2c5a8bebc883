"""Who writes, of several."""

from contextlib import AsyncExitStack

from cluster.kinds import LEASE
from tests.kubernetes.whole import answer, mirrored, reachable
from tests.support.clusters import World, until


async def test_who_does_not_write_has_the_same_metrics(at: World) -> None:
    await at.link()
    async with at.mirroring() as leading:
        await until(lambda: answer(leading.leadership.ours), bool)
        async with at.mirroring():  # its registry is the one of `at` now
            await until(lambda: answer(reachable(at)), lambda value: value == 1.0)
            labels = {"target_cluster_name": "east"}
            await until(
                lambda: answer(at.registry.get_sample_value("gateway_alive", labels)),
                lambda value: value == 1.0,
            )
            at.gateways.alive.clear()
            await until(
                lambda: answer(at.registry.get_sample_value("gateway_alive", labels)),
                lambda value: value == 0.0,
            )
            assert leading.leadership.ours


async def test_only_one_of_two_writes_and_the_other_takes_over(at: World) -> None:
    await at.link()
    await at.east.service()
    async with AsyncExitStack() as outlives:
        async with at.mirroring() as leading:
            await mirrored(at)
            warm = await outlives.enter_async_context(at.mirroring())
            await warm.ready.wait()
            assert (leading.leadership.ours, warm.leadership.ours) == (True, False)
        await at.east.export(exported=False)
        await until(at.mirror, lambda found: found is None)
        assert warm.leadership.ours


async def test_a_lease_that_was_given_back_is_taken_at_once(at: World) -> None:
    async with at.mirroring() as first:
        await first.ready.wait()
    lease = await at.west.api.get(LEASE, "jackstay", "jackstay-mirror")
    assert not lease["spec"].get("holderIdentity")
    async with at.mirroring() as second:
        await second.ready.wait()
        assert second.leadership.ours
