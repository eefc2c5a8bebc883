"""A peer is as good as its certificate now: once it is not, nothing new begins, and soon all has ended."""

import asyncio
from collections.abc import AsyncIterator, Callable, MutableMapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from certs import anchors
from certs.generation import Generation
from certs.revocation import Revocations
from gateway.current import Current
from gateway.handshake_queue import HandshakeThreads
from gateway.lingering import Lingering
from gateway.metrics import DataPathMetrics
from gateway.outbound import Outbound
from gateway.routes import Target
from gateway.settings import InboundSettings, OutboundSettings, PoolSettings
from gateway.trust import Trust
from tests.support.both_ends import BothEnds, both_ends, echoes, until
from tests.support.crl import crl
from tests.support.linkerd_gateway import LinkerdGateway
from tests.support.pairs import CLIENT, GATEWAY, Local, local
from tests.support.pki import Pki
from tests.support.tls_peer import LINKERD

OLD, NEW = Pki.make(), Pki.make()
End = Literal["gateway", "client"]
ENDS: tuple[End, ...] = ("gateway", "client")


@dataclass(slots=True)
class Clock:
    """The time of day that an end believes, and how often it has looked."""

    at: datetime
    looks: int = 0

    def __call__(self) -> datetime:
        self.looks += 1
        return self.at

    async def looked(self) -> None:
        """Everything that is so now has been looked at."""
        before = self.looks
        await until(lambda: self.looks > before + 2)


@asynccontextmanager
async def following(trust: Trust, generation: Callable[[], Generation]) -> AsyncIterator[Clock]:
    clock = Clock(datetime.now(UTC))
    task = asyncio.create_task(trust.follow(generation, every=0.01, now=clock))
    await asyncio.sleep(0)
    try:
        yield clock
    finally:
        task.cancel()
        await asyncio.wait([task])


@asynccontextmanager
async def ends_of(end: End, *, overrun: float) -> AsyncIterator[tuple[BothEnds, Trust, Clock]]:
    """Both ends, of which *end* looks at those who are in."""
    settings = OutboundSettings(
        allow_loopback=True,
        pool=PoolSettings(warm=0, rotation_spread=3600.0),
        max_identity_overrun=overrun,
        tries=1,
    )
    async with both_ends(
        OLD,
        inbound_settings=InboundSettings(max_identity_overrun=overrun),
        outbound_settings=settings,
    ) as ends:
        trust = ends.inbound.trust if end == "gateway" else ends.outbound.trust
        generation = ends.at_gateway if end == "gateway" else ends.at_client
        async with following(trust, generation) as clock:
            yield ends, trust, clock


def change_anchors(ends: BothEnds, end: End, pki: Pki) -> None:
    if end == "gateway":
        ends.at_gateway.swap(OLD.generation(GATEWAY, number=2, bundle=pki.bundle))
    else:
        ends.at_client.swap(OLD.generation(CLIENT, number=2, bundle=pki.bundle))


def later(ends: BothEnds, end: End, clock: Clock) -> None:
    """The certificate of who is at the other end of *end* ends now."""
    tunnels = ends.tunnels if end == "gateway" else set(ends.outbound._tunnels)
    clock.at = max(tunnel.peer.not_after for tunnel in tunnels)


@pytest.mark.parametrize("end", ENDS)
async def test_whom_the_new_anchors_vouch_for_notices_nothing(end: End) -> None:
    async with ends_of(end, overrun=0.0) as (ends, trust, clock):
        running, idle = await ends.call(), await ends.call()
        await echoes(running, b"one")
        await echoes(idle, b"one")
        idle.finish()
        await idle.hear_out()
        both = Pki(NEW.root, OLD.issuer, OLD.trust_domain, OLD.now)
        bundle = type(OLD.bundle).from_pem(OLD.anchors_pem + both.anchors_pem)
        generations = ends.at_gateway if end == "gateway" else ends.at_client
        generations.swap(OLD.generation(GATEWAY if end == "gateway" else CLIENT, number=2, bundle=bundle))
        await clock.looked()
        assert not trust
        assert len(ends.tunnels) == 2
        await echoes(running, b"two")


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("why", ["anchors", "ended"])
async def test_what_runs_goes_on_for_a_while_and_nothing_new_begins(end: End, why: str) -> None:
    with capture_logs() as lines:
        async with ends_of(end, overrun=3600.0) as (ends, trust, clock):
            running, idle = await ends.call(), await ends.call()
            await echoes(running, b"one")
            await echoes(idle, b"one")
            idle.finish()
            assert await idle.hear_out() == "end"
            await until(lambda: ends.pool.sizes == (1, 2))
            if why == "anchors":
                change_anchors(ends, end, NEW)
            else:
                later(ends, end, clock)
            await until(lambda: ends.pool.sizes == (0, 1))
            await until(lambda: len(ends.tunnels) == 1)
            await echoes(running, b"two")
            running.finish()
            assert await running.hear_out() == "end"
            await until(lambda: ends.pool.sizes == (0, 0) and not ends.tunnels)
            assert not trust
    told = [line for line in lines if line["event"] == "peer.distrusted"]
    assert len(told) == 2
    assert {line["reason"] for line in told} == {"untrusted"}
    wanted = "the trust anchors have changed" if why == "anchors" else "the peer's certificate has ended at"
    assert all(line["message"].startswith(wanted) for line in told)


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("why", ["anchors", "ended"])
async def test_what_runs_for_too_long_is_ended(end: End, why: str) -> None:
    with capture_logs() as lines:
        async with ends_of(end, overrun=0.05) as (ends, trust, clock):
            running = await ends.call()
            await echoes(running, b"one")
            await ends_what_runs(running, ends, trust, clock, end, why)
    one, other = ("inbound", "outbound") if end == "gateway" else ("outbound", "inbound")
    endings = closed_for(lines, ends)
    assert endings == {one: ("tunnel_lost", "untrusted"), other: ("remote_reset", "untrusted")}
    (ours,) = [x for x in lines if x["event"] == "connection.closed" and x["direction"] == one]
    assert "the peer's certificate has ended" in ours["message"] or "anchors" in ours["message"]


def closed_for(lines: list[MutableMapping[str, Any]], ends: BothEnds) -> dict[str, tuple[str, str]]:
    """How the one stream ended at each end, and why, as the log says it; it is counted for that too."""
    found = {
        line["direction"]: (line["ending"], line["reason"])
        for line in lines
        if line["event"] == "connection.closed"
    }
    for direction, (_, reason) in found.items():
        side = {"peer": "src" if direction == "inbound" else "dst", "tls": "true"}
        labels = {"direction": direction, **side, "errno": reason}
        assert ends.registries[direction].get_sample_value("tcp_close_total", labels) == 1
    return found


async def ends_what_runs(
    running: Local, ends: BothEnds, trust: Trust, clock: Clock, end: End, why: str
) -> None:
    if why == "anchors":
        change_anchors(ends, end, NEW)
    else:
        later(ends, end, clock)
    assert await running.hear_out() == "reset"
    await until(lambda: ends.pool.sizes == (0, 0) and not ends.tunnels)
    assert not trust


async def test_the_streams_of_a_target_that_has_gone_are_looked_at_too() -> None:
    async with ends_of("client", overrun=0.05) as (ends, trust, _):
        running = await ends.call()
        await echoes(running, b"one")
        ends.outbound.follow(set())
        change_anchors(ends, "client", NEW)
        assert await running.hear_out() == "reset"
        assert not trust


async def test_anchors_that_change_while_a_gateway_has_yet_to_answer_hold_for_it_too() -> None:
    """The handshake is over, the tunnel is not there yet: nobody else would look at it."""

    def generation() -> Generation:
        return after if ends.tunnels else before  # the gateway has it when our handshake is over

    before, after = OLD.generation(CLIENT), OLD.generation(CLIENT, number=2, bundle=NEW.bundle)
    with capture_logs() as lines:
        async with both_ends(OLD) as ends:
            ends.outbound._generation = generation
            application = await ends.call()
            assert await application.hear_out() == "reset"
            await until(lambda: not ends.tunnels)
    (closed,) = [line for line in lines if line["event"] == "connection.closed"]
    assert (closed["ending"], closed["reason"]) == ("refused", "untrusted")


async def test_who_is_refused_for_an_old_certificate_comes_again_with_the_new_one() -> None:
    """A tunnel from before a rotation carries an OPEN while the word that it is over is still on the way."""
    everybody = anchors.of((OLD.root.certificate, NEW.root.certificate))
    settings = OutboundSettings(allow_loopback=True, pool=PoolSettings(warm=0, rotation_spread=3600.0))
    async with (
        both_ends(OLD, outbound_settings=settings) as ends,
        following(ends.inbound.trust, ends.at_gateway) as clock,
    ):
        ends.inbound.trust._on_distrusted = lambda one: None  # GOAWAY, which has not arrived yet
        before = await ends.call()
        await echoes(before, b"one")
        before.finish()
        assert await before.hear_out() == "end"
        await until(lambda: ends.pool.sizes == (1, 1))
        ends.at_client.swap(NEW.generation(CLIENT, number=2, bundle=everybody))
        ends.at_gateway.swap(NEW.generation(GATEWAY, number=2))
        await until(lambda: len(ends.inbound.trust) == 1)
        await clock.looked()
        after = await ends.call()
        await echoes(after, b"two")
        assert {
            tunnel.peer.chain[-1] for tunnel in ends.tunnels if tunnel not in ends.inbound.trust._distrusted
        } == {NEW.issuer.certificate.public_bytes(Encoding.DER)}


@pytest.mark.parametrize("vouched_for", [True, False])
async def test_a_connection_to_a_linkerd_gateway_is_looked_at_too(*, vouched_for: bool) -> None:
    client = Current(OLD.generation(CLIENT, alpn_client=("jackstay/1", LINKERD)))
    with HandshakeThreads(1) as threads:
        async with (
            Lingering() as lingering,
            LinkerdGateway(OLD) as gateway,
            Outbound(
                OutboundSettings(allow_loopback=True, max_identity_overrun=0.05),
                generation=client,
                threads=threads,
                lingering=lingering,
                metrics=DataPathMetrics(CollectorRegistry(), "outbound"),
            ) as outbound,
            following(outbound.trust, client) as clock,
        ):
            name = OLD.identity(GATEWAY).dns_name
            target = Target("podinfo.test.svc", 9898, (gateway.address,), name, protocol=LINKERD)
            application, wire = await local()
            serving = asyncio.create_task(outbound.serve(wire, target))
            peer, _ = await gateway.called()
            await application.say(b"x")
            assert await peer.hear(1) == b"x"
            clock.at += timedelta(seconds=1)
            client.swap(OLD.generation(CLIENT, bundle=OLD.bundle if vouched_for else NEW.bundle))
            await clock.looked()
            if vouched_for:
                await peer.say(b"y")
                assert await application.hear(1) == b"y"
            else:
                assert await application.hear_out() == "reset"
            application.break_off()
            await serving
            assert not outbound._directs
            assert not outbound.trust


def revoking(ends: BothEnds, end: End, *lists: bytes) -> None:
    current = ends.at_gateway if end == "gateway" else ends.at_client
    current.swap(current().revoking(Revocations.read(b"".join(lists))))


@pytest.mark.parametrize("end", ENDS)
async def test_who_is_revoked_is_cut_off_at_once_whatever_the_overrun(end: End) -> None:
    with capture_logs() as lines:
        async with ends_of(end, overrun=3600.0) as (ends, trust, clock):
            running = await ends.call()
            await echoes(running, b"one")
            revoking(ends, end, crl(OLD.root), crl(OLD.issuer))
            await clock.looked()
            assert not trust
            await echoes(running, b"two")
            tunnels = ends.tunnels if end == "gateway" else set(ends.outbound._tunnels)
            serials = [x509.load_der_x509_certificate(t.peer.chain[0]).serial_number for t in tunnels]
            revoking(ends, end, crl(OLD.root), crl(OLD.issuer, *serials))
            assert await running.hear_out() == "reset"
            await until(lambda: ends.pool.sizes == (0, 0) and not ends.tunnels)
            assert not trust
    told = [line for line in lines if line["event"] == "peer.distrusted"]
    assert [(line["seconds"], line["reason"]) for line in told] == [(0.0, "untrusted")]
    assert "revoked by CN=" in told[0]["message"]


@pytest.mark.parametrize("end", ENDS)
async def test_a_list_that_is_out_of_date_is_noticed_and_a_new_one_too(end: End) -> None:
    async with ends_of(end, overrun=3600.0) as (ends, trust, clock):
        running = await ends.call()
        await echoes(running, b"one")
        soon = clock.at + timedelta(minutes=1)
        revoking(ends, end, crl(OLD.root), crl(OLD.issuer, end=soon))
        await clock.looked()
        assert not trust
        clock.at = soon + timedelta(seconds=1)
        await until(lambda: len(trust) == 1)
        await echoes(running, b"two")
        revoking(ends, end, crl(OLD.root), crl(OLD.issuer))
        await until(lambda: not trust)
        await echoes(running, b"three")


@pytest.mark.parametrize("end", ENDS)
async def test_who_is_distrusted_already_and_then_revoked_is_cut_off(end: End) -> None:
    async with ends_of(end, overrun=3600.0) as (ends, trust, _):
        running = await ends.call()
        await echoes(running, b"one")
        tunnels = ends.tunnels if end == "gateway" else set(ends.outbound._tunnels)
        serials = [x509.load_der_x509_certificate(t.peer.chain[0]).serial_number for t in tunnels]
        revoking(ends, end, crl(OLD.root))
        await until(lambda: len(trust) == 1)
        await echoes(running, b"two")
        revoking(ends, end, crl(OLD.root), crl(OLD.issuer, *serials))
        assert await running.hear_out() == "reset"
        await until(lambda: not trust)
