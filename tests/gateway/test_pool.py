"""The pool: tunnels made ahead, used again, never handed out dead; whoever waits is served or told."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from structlog.testing import capture_logs

from gateway.pool import Pool
from gateway.refusals import BackendUnreachable, Defect, OverLimit, PeerGone
from gateway.settings import PoolSettings
from gateway.tunnel import Tunnel
from process.address import Address
from tests.support.pairs import tunnel_pair
from tests.support.pki import Pki

PKI = Pki.make()
COLD = PoolSettings(warm=0)


class Gateway:
    """Makes tunnels, each to a server's end of its own in this process."""

    def __init__(self, stack: AsyncExitStack) -> None:
        self._stack = stack
        self.servers: list[Tunnel] = []
        self.made = 0
        self.gone = 0
        self.failure: Exception | None = None
        self.shown = b"old"

    async def connect(self) -> Tunnel:
        if self.failure is not None:
            raise self.failure
        client, server = await self._stack.enter_async_context(tunnel_pair(PKI))
        self.servers.append(server)
        return client

    def held_back(self, hold: asyncio.Event) -> Pool:
        """A pool whose new tunnels are made only once *hold* is set."""

        async def slowly() -> Tunnel:
            await hold.wait()
            return await self.connect()

        return self.pool(connect=slowly)

    def pool(
        self, settings: PoolSettings = COLD, connect: Callable[[], Awaitable[Tunnel]] | None = None
    ) -> Pool:
        def opened(_: Tunnel) -> None:
            self.made += 1

        def closed(_: Tunnel) -> None:
            self.gone += 1

        return Pool(
            Address("127.0.0.1", 1),
            connect or self.connect,
            settings,
            shown=lambda: self.shown,
            opened=opened,
            closed=closed,
        )


@asynccontextmanager
async def gateway() -> AsyncIterator[Gateway]:
    async with AsyncExitStack() as stack:
        yield Gateway(stack)


@asynccontextmanager
async def running(pool: Pool) -> AsyncIterator[None]:
    task = asyncio.create_task(pool.run())
    yield
    task.cancel()
    await asyncio.wait([task])


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110  # what is waited for has no Event
        await asyncio.sleep(0.01)


async def test_a_tunnel_that_came_back_is_taken_again() -> None:
    async with gateway() as there:
        pool = there.pool()
        tunnel = await pool.take()
        pool.give_back(tunnel)
        assert await pool.take() is tunnel
        assert await pool.take() is not tunnel
        assert (there.made, pool.sizes) == (2, (0, 2))
        pool.close()


async def test_a_tunnel_that_goes_before_its_taker_has_its_turn_is_not_handed_out() -> None:
    """GOAWAY, or the end, may come in the very turn of the loop in which a waiter was served."""
    async with gateway() as there:
        hold = asyncio.Event()
        pool = there.held_back(hold)
        waiting = asyncio.create_task(pool.take())
        await asyncio.sleep(0)
        returned = await there.connect()
        pool.give_back(returned)
        returned.close()
        hold.set()
        taken = await waiting
        assert taken is not returned
        assert taken.usable
        pool.close()


async def test_some_are_made_ahead_of_need() -> None:
    async with gateway() as there:
        pool = there.pool(PoolSettings(warm=3))
        async with running(pool):
            await until(lambda: pool.sizes == (3, 3))
            await pool.take()
            await until(lambda: pool.sizes == (3, 4))
        assert pool.sizes[0] == 0


async def test_who_waits_gets_the_first_that_comes_free() -> None:
    async with gateway() as there:
        hold = asyncio.Event()
        pool = there.held_back(hold)
        waiting = asyncio.create_task(pool.take())
        await asyncio.sleep(0)
        returned = await there.connect()
        pool.give_back(returned)
        assert await waiting is returned
        hold.set()
        pool.close()
        returned.close()


async def test_all_who_wait_are_told_of_a_failure() -> None:
    async with gateway() as there:
        there.failure = BackendUnreachable("nobody listens there")
        pool = there.pool()
        for told in await asyncio.gather(*(pool.take() for _ in range(3)), return_exceptions=True):
            assert isinstance(told, BackendUnreachable)
        there.failure = None
        assert (await pool.take()).usable
        assert pool.failure is None
        pool.close()


async def test_all_who_wait_are_told_of_an_error_of_ours() -> None:
    async with gateway() as there:
        there.failure = ZeroDivisionError("a defect")
        with capture_logs() as logs, pytest.raises(Defect):
            await there.pool().take()
        assert logs[0]["event"] == "tunnel.failed"


async def test_who_is_crowded_out_gets_the_tunnel_that_others_have_made() -> None:
    """A gateway with too many handshakes to compute drops some: no reason to give up while others get in."""
    async with gateway() as there:
        calls = 0

        async def every_second() -> Tunnel:
            nonlocal calls
            calls += 1
            if calls % 2:
                await asyncio.sleep(0)
                raise PeerGone("the connection broke during the handshake")
            return await there.connect()

        pool = there.pool(connect=every_second)
        first, second = await asyncio.gather(pool.take(), pool.take())
        assert first is not second
        assert first.usable
        assert second.usable
        assert calls >= 3
        pool.close()


async def test_where_nobody_gets_in_all_who_wait_are_told() -> None:
    async with gateway() as there:
        there.failure = PeerGone("the connection broke during the handshake")
        pool = there.pool()
        told = await asyncio.gather(pool.take(), pool.take(), return_exceptions=True)
        assert [type(one) for one in told] == [PeerGone, PeerGone]


async def test_a_tunnel_whose_peer_has_gone_is_not_handed_out() -> None:
    async with gateway() as there:
        pool = there.pool()
        tunnel = await pool.take()
        pool.give_back(tunnel)
        there.servers[0].close()
        fresh = await pool.take()
        assert fresh is not tunnel
        assert fresh.usable
        assert there.gone == 1
        pool.close()


def end_certificate(tunnel: Tunnel) -> None:
    """The gateway's certificate is valid until now."""
    tunnel.peer = replace(tunnel.peer, not_after=datetime.now(UTC))


async def test_one_whose_gateways_certificate_has_ended_is_not_handed_out() -> None:
    async with gateway() as there:
        pool = there.pool()
        tunnel = await pool.take()
        pool.give_back(tunnel)
        end_certificate(tunnel)
        fresh = await pool.take()
        assert fresh is not tunnel
        assert tunnel.lost is not None
        end_certificate(fresh)
        pool.give_back(fresh)
        assert pool.sizes == (0, 0)


async def test_one_that_is_retired_ends_at_once_if_it_is_idle_and_else_with_its_stream() -> None:
    async with gateway() as there:
        pool = there.pool()
        idle, used = await pool.take(), await pool.take()
        pool.give_back(idle)
        pool.retire(idle)
        pool.retire(used)
        assert (idle.usable, used.usable) == (False, True)
        pool.give_back(used)
        assert not used.usable
        assert (there.gone, pool.sizes) == (2, (0, 0))


async def test_one_that_is_retired_before_its_taker_has_its_turn_is_not_handed_out() -> None:
    async with gateway() as there:
        hold = asyncio.Event()
        pool = there.held_back(hold)
        waiting = asyncio.create_task(pool.take())
        await asyncio.sleep(0)
        returned = await there.connect()
        pool.give_back(returned)
        pool.retire(returned)
        hold.set()
        assert await waiting is not returned
        returned.close()
        pool.close()


async def test_after_goaway_it_is_closed_and_not_taken() -> None:
    async with gateway() as there:
        pool = there.pool()
        tunnel = await pool.take()
        pool.give_back(tunnel)
        there.servers[0].go_away()
        await until(lambda: pool.sizes == (0, 0))
        assert tunnel.lost is not None


async def test_a_fresh_one_is_none_of_the_idle() -> None:
    async with gateway() as there:
        pool = there.pool()
        tunnel = await pool.take()
        pool.give_back(tunnel)
        assert await pool.take(fresh=True) is not tunnel
        pool.close()


async def test_a_silent_tunnel_is_given_up() -> None:
    async with gateway() as there:
        pool = there.pool(PoolSettings(warm=0, ping_every=0.0, ping_timeout=0.05))
        tunnel = await pool.take()
        there.servers[0].pause()  # it reads nothing any more: no PONG comes
        pool.give_back(tunnel)
        async with running(pool):
            await until(lambda: tunnel.lost is not None)


async def test_an_idle_tunnel_that_answers_is_kept() -> None:
    async with gateway() as there:
        pool = there.pool(PoolSettings(warm=0, ping_every=0.0, ping_timeout=5.0))
        tunnel = await pool.take()
        heard_at = tunnel.heard_at
        pool.give_back(tunnel)
        async with running(pool):
            await until(lambda: tunnel.heard_at > heard_at)
            assert tunnel.usable


async def test_one_that_nobody_needs_is_closed() -> None:
    async with gateway() as there:
        pool = there.pool(PoolSettings(warm=0, unused=0.0))
        pool.give_back(await pool.take())
        async with running(pool):
            await until(lambda: pool.sizes == (0, 0))


async def test_one_that_has_carried_enough_is_retired() -> None:
    async with gateway() as there:
        pool = there.pool(PoolSettings(warm=0, retire_after=0))
        tunnel = await pool.take()
        await tunnel.ping()
        pool.give_back(tunnel)
        assert tunnel.lost is not None


async def test_one_that_may_carry_next_to_nothing_is_handed_out_once() -> None:
    """What was said while it was made is not what it has carried: it would be made anew for ever."""
    async with gateway() as there:

        async def asked() -> Tunnel:
            tunnel = await there.connect()
            await tunnel.ping()
            return tunnel

        pool = there.pool(PoolSettings(warm=0, retire_after=0), connect=asked)
        tunnel = await pool.take()
        assert tunnel.usable
        pool.give_back(tunnel)
        assert (there.made, pool.sizes) == (1, (0, 0))


AT_ONCE = PoolSettings(warm=0, rotation_spread=0.0)


async def test_under_a_new_certificate_those_in_use_are_not_used_again() -> None:
    async with gateway() as there:
        pool = there.pool(AT_ONCE)
        async with running(pool):
            used = await pool.take()
            there.shown = b"new"
            await until(lambda: pool.outdated == 1)
            assert used.usable
            pool.give_back(used)
            assert used.lost is not None
            anew = await pool.take()
            pool.give_back(anew)
            assert pool.outdated == 0
            assert await pool.take() is anew


async def test_under_a_new_certificate_warm_ones_are_kept_until_there_are_new_ones() -> None:
    async with gateway() as there:
        may_dial, asked = asyncio.Event(), 0

        async def dialled() -> Tunnel:
            nonlocal asked
            asked += 1
            await may_dial.wait()
            return await there.connect()

        may_dial.set()
        pool = there.pool(PoolSettings(warm=2, rotation_spread=0.0), dialled)
        async with running(pool):
            await until(lambda: pool.sizes == (2, 2))
            may_dial.clear()
            there.shown = b"new"
            await until(lambda: asked == 4)
            assert pool.sizes == (2, 2)
            assert pool.outdated == 2
            may_dial.set()
            await until(lambda: pool.sizes == (2, 2) and pool.outdated == 0)
            assert (there.made, there.gone) == (4, 2)


async def test_the_old_ones_serve_while_no_new_one_can_be_made() -> None:
    """A gateway may not take our new certificate."""
    async with gateway() as there:
        pool = there.pool(PoolSettings(warm=1, rotation_spread=0.0))
        async with running(pool):
            await until(lambda: pool.sizes == (1, 1))
            there.failure = BackendUnreachable("not under that name")
            there.shown = b"new"
            await until(lambda: pool.failure is not None)
            for _ in range(3):
                tunnel = await pool.take()
                pool.give_back(tunnel)
            assert there.made == 1
            there.failure = None
            await until(lambda: there.made == 2 and pool.outdated == 0)


async def test_one_that_nobody_needs_is_replaced_at_a_time_of_its_own() -> None:
    async with gateway() as there:
        pool = there.pool(PoolSettings(warm=0, rotation_spread=3600.0))
        tunnels = [await pool.take() for _ in range(3)]
        there.shown = b"new"
        for tunnel in tunnels:
            pool.give_back(tunnel)
        async with running(pool):
            await until(lambda: pool.outdated == 3)
            assert pool.sizes == (3, 3)
            assert len(set(pool._replace_at.values())) == 3


async def test_over_the_limit_the_newcomer_is_refused() -> None:
    async with gateway() as there:
        pool = there.pool(PoolSettings(warm=0, most=2))
        first, _ = await pool.take(), await pool.take()
        with pytest.raises(OverLimit, match="2 tunnels"):
            await pool.take()
        pool.give_back(first)
        assert await pool.take() is first
        pool.close()


async def test_whoever_gives_up_waiting_leaves_no_tunnel_lost() -> None:
    async with gateway() as there:
        pool = there.pool()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await pool.take()
        await until(lambda: pool.sizes == (1, 1))
        pool.close()
