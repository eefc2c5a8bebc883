"""Conversations between two ends of a tunnel, pumps and local connections and all: scripts, step by step."""

import asyncio
import random

import pytest

from gateway.buffers import CHUNK, Buffers
from gateway.pump import Early, Ending, Outcome, Pump, PumpLimits
from gateway.refusals import NotExported, PeerUntrusted, Reason, Refused
from gateway.stream_order import Phase
from tests.support.conversation import Stream, begin, opening, put_away, serve, stream, until
from tests.support.pairs import Local, local, tunnel_pair
from tests.support.pki import Pki

PKI = Pki.make()
USUAL = PumpLimits()


class Silent:
    """A stream that only remembers how it was lost."""

    def __init__(self) -> None:
        self.cause: Refused | None = None

    def data(self, view: object) -> None: ...
    def data_in_parts(self, slices: object) -> None: ...
    def answered(self, refusal: object) -> None: ...
    def ended(self) -> None: ...
    def reset(self, reason: Reason) -> None: ...
    def room(self) -> None: ...
    def over(self) -> None: ...
    def lost(self, cause: Refused) -> None:
        self.cause = cause


async def test_both_directions_and_their_ends() -> None:
    async with tunnel_pair(PKI) as (client, server), stream(client, server) as one:
        await one.application.say(b"question")
        assert await one.backend.hear(8) == b"question"
        one.application.finish()
        assert await one.backend.hear_out() == "end"
        await one.backend.say(b"a late answer")
        one.backend.finish()
        assert await one.application.hear_out() == "end"
        assert one.application.heard == b"a late answer"
        assert [outcome.ending for outcome in await one.outcomes()] == [Ending.FINISHED] * 2
        assert client.phase is server.phase is Phase.IDLE
        assert client.usable


@pytest.mark.parametrize("closed_by", ["client", "server"])
@pytest.mark.parametrize("half_closed", [False, True])
async def test_why_a_tunnel_is_closed_within_a_stream_is_known_at_both_ends(
    closed_by: str, *, half_closed: bool
) -> None:
    """Also where the other end has said its last word: ours is the second then, and no regular end."""
    async with tunnel_pair(PKI) as (client, server), stream(client, server) as one:
        await one.application.say(b"word")
        assert await one.backend.hear(4) == b"word"
        if half_closed:
            from_here, to_here = one.application, one.backend
            if closed_by == "client":
                from_here, to_here = to_here, from_here
            from_here.finish()
            assert await to_here.hear_out() == "end"
        (client if closed_by == "client" else server).close(PeerUntrusted("its time is over"))
        ours, theirs = await one.outcomes()
        if closed_by == "server":
            ours, theirs = theirs, ours
    assert ours == Outcome(Ending.TUNNEL_LOST, Reason.UNTRUSTED, "its time is over")
    assert (theirs.ending, theirs.reason) == (Ending.REMOTE_RESET, Reason.UNTRUSTED)


async def test_a_backend_that_is_reset_behind_its_end_is_found_by_the_sweep() -> None:
    """It has half-closed and was read to the end, then it died: nobody reads there who would be told."""
    async with tunnel_pair(PKI) as (client, server), stream(client, server) as one:
        one.backend.finish()
        assert await one.application.hear_out() == "end"
        one.backend.break_off()
        await until(lambda: one.server.has_gone_unseen)
        one.server.look_for_the_gone()
        assert (await one.server.outcome).ending is Ending.LOCAL_RESET
        # Its last word had been END: only by the tunnel's end can the other side be told.
        assert (await one.client.outcome).ending is Ending.TUNNEL_LOST


async def test_stream_after_stream_on_one_tunnel() -> None:
    async with tunnel_pair(PKI) as (client, server):
        for number in range(5):
            async with stream(client, server) as one:
                await one.application.say(b"%d" % number)
                one.application.finish()
                assert await one.backend.hear_out() == "end"
                assert one.backend.heard == b"%d" % number
                one.backend.finish()
                await one.outcomes()
        assert client.opens == server.opens == 5


async def test_what_is_said_before_the_answer_arrives_in_order() -> None:
    """In the record of the OPEN, and in later ones while the backend is still being dialled."""
    async with tunnel_pair(PKI) as (client, server):
        application, client_pump = await begin(client)
        await application.say(b"first ")
        assert await server.next_opening()
        for word in (b"second ", b"third ", b"fourth"):
            await application.say(word)
            for _ in range(5):
                await asyncio.sleep(0)
        application.finish()
        backend, wire = await local()
        server_pump = Pump(server, wire, Buffers(), PumpLimits())
        server_pump.start_server()
        assert await backend.hear_out() == "end"
        assert backend.heard == b"first second third fourth"
        Stream(application, backend, client_pump, server_pump).stop()


async def test_a_refusal_leaves_the_tunnel_for_the_next_stream() -> None:
    async with tunnel_pair(PKI) as (client, server):
        application, pump = await begin(client)
        await application.say(b"not for you")
        assert await server.next_opening()
        server.refuse(NotExported("no such service"))
        outcome = await pump.outcome
        assert (outcome.ending, outcome.reason) == (Ending.REFUSED, Reason.NOT_EXPORTED)
        assert outcome.may_retry
        put_away(pump, application)
        await server.until_free()
        async with stream(client, server) as one:
            await one.application.say(b"again")
            assert await one.backend.hear(5) == b"again"


async def test_the_last_word_and_the_next_open_in_one_piece() -> None:
    """A quick client: the server must not wait for an END that it has read already."""
    async with tunnel_pair(PKI) as (client, server):
        client.open(opening(), Silent())
        assert await server.next_opening()
        server.refuse(NotExported("no such service"))
        free = asyncio.create_task(server.until_free())
        await until(lambda: client.phase is Phase.SERVER_ENDED)
        client.send_end()
        client.open(opening(), Silent())
        await free
        assert await server.next_opening()


async def test_a_reset_of_the_application_reaches_the_backend() -> None:
    async with tunnel_pair(PKI) as (client, server), stream(client, server) as one:
        await one.application.say(b"x")
        assert await one.backend.hear(1) == b"x"
        one.application.break_off()
        here, there = await one.outcomes()
        assert here.ending is Ending.LOCAL_RESET
        assert (there.ending, there.reason) == (Ending.REMOTE_RESET, Reason.PEER_RESET)
        assert client.usable


async def test_a_reset_of_the_backend_reaches_the_application_behind_its_data() -> None:
    async with tunnel_pair(PKI) as (client, server):
        async with stream(client, server) as one:
            await one.backend.say(b"half an answ")
            assert await one.application.hear(12) == b"half an answ"
            one.backend.break_off()
            here, there = await one.outcomes()
            assert (here.ending, here.reason) == (Ending.REMOTE_RESET, Reason.BACKEND_RESET)
            assert there.ending is Ending.LOCAL_RESET
        async with stream(client, server) as another:
            await another.application.say(b"and again")
            assert await another.backend.hear(9) == b"and again"


async def test_a_tunnel_that_breaks_is_no_regular_end() -> None:
    async with tunnel_pair(PKI) as (client, server), stream(client, server) as one:
        await one.application.say(b"x")
        assert await one.backend.hear(1) == b"x"
        client.close()
        here, there = await one.outcomes()
        assert here.ending is there.ending is Ending.TUNNEL_LOST
        assert not here.may_retry


async def test_a_reader_that_reads_nothing_holds_one_read_and_then_gets_all() -> None:
    sent = random.Random(3).randbytes(24 * 2**20)
    async with tunnel_pair(PKI) as (client, server), stream(client, server) as one:
        feeding = asyncio.create_task(one.application.say(sent))
        before = -1
        while one.server.received != before:  # until nothing moves any more
            before = one.server.received
            await asyncio.sleep(0.2)
        assert not feeding.done()
        assert one.server._wire.held <= CHUNK
        assert client.held <= 2 * CHUNK
        hearing = asyncio.create_task(one.backend.hear_out())
        await feeding
        one.application.finish()
        assert await hearing == "end"
        assert one.backend.heard == sent


@pytest.mark.parametrize("seed", range(6))
async def test_whatever_the_pieces_what_goes_in_comes_out(seed: int) -> None:
    chance = random.Random(seed)
    said = [chance.randbytes(chance.choice((1, 100, 16_384, 70_000, 300_000))) for _ in range(25)]
    answered = [chance.randbytes(chance.choice((1, 5, 4_096, 262_144, 262_145))) for _ in range(25)]

    async def speak(one: Local, pieces: list[bytes]) -> None:
        for piece in pieces:
            await one.say(piece)
            if chance.random() < 0.3:
                await asyncio.sleep(0.001)
        one.finish()

    async with tunnel_pair(PKI) as (client, server), stream(client, server) as one:
        *_, here, there = await asyncio.gather(
            speak(one.application, said),
            speak(one.backend, answered),
            one.backend.hear_out(),
            one.application.hear_out(),
        )
        assert (here, there) == ("end", "end")
        assert one.backend.heard == b"".join(said)
        assert one.application.heard == b"".join(answered)
        assert [outcome.ending for outcome in await one.outcomes()] == [Ending.FINISHED] * 2


async def test_ping_and_goaway_stand_between_the_frames_of_a_stream() -> None:
    async with tunnel_pair(PKI) as (client, server):
        await client.ping()
        async with stream(client, server) as one:
            await client.ping()
            server.go_away()
            await one.application.say(b"still")
            assert await one.backend.hear(5) == b"still"
            await one.backend.say(b"here")
            assert await one.application.hear(4) == b"here"
            assert client.going_away == 1
            assert not client.usable


async def test_a_stream_of_which_nothing_was_sent_may_be_tried_again() -> None:
    async with tunnel_pair(PKI) as (client, server):
        application, pump = await begin(client)
        assert await server.next_opening()
        server.close()
        outcome = await pump.outcome
        assert (outcome.ending, outcome.may_retry) == (Ending.TUNNEL_LOST, True)
        put_away(pump, application)


async def test_a_stream_of_which_something_was_sent_may_not() -> None:
    async with tunnel_pair(PKI) as (client, server):
        early = Early()
        application, pump = await begin(client, early=early)
        await application.say(b"pay 5 euros")
        await until(lambda: bool(early.data))
        assert await server.next_opening()
        server.close()
        outcome = await pump.outcome
        assert (outcome.ending, outcome.may_retry) == (Ending.TUNNEL_LOST, False)
        put_away(pump, application)


async def test_a_goaway_that_leaves_the_open_out_lets_it_be_tried_again() -> None:
    async with tunnel_pair(PKI) as (client, server):
        server.go_away()  # no OPEN has been taken
        early = Early()
        application, pump = await begin(client, early=early)
        await application.say(b"pay 5 euros")
        await until(lambda: bool(early.data) and client.going_away is not None)
        server.close()
        assert (await pump.outcome).may_retry
        put_away(pump, application)


async def test_a_second_try_says_again_what_the_first_had_said() -> None:
    early = Early()
    application, wire = await local()
    async with tunnel_pair(PKI) as (client, server):
        first = Pump(client, wire, Buffers(), PumpLimits())
        first.start_client(opening(), early)
        await application.say(b"once ")
        await until(lambda: bool(early.data))
        assert await server.next_opening()
        server.refuse(NotExported("try elsewhere"))
        assert (await first.outcome).may_retry
        first.stop()
    await application.say(b"and for all")
    application.finish()
    async with tunnel_pair(PKI) as (client, server):
        second = Pump(client, wire, Buffers(), PumpLimits())
        second.start_client(opening(), early)
        backend, there = await serve(server)
        assert await backend.hear_out() == "end"
        assert backend.heard == b"once and for all"
        Stream(application, backend, second, there).stop()


async def test_no_answer_in_time() -> None:
    async with tunnel_pair(PKI) as (client, _):
        application, pump = await begin(client, PumpLimits(answer=0.05))
        outcome = await pump.outcome
        assert (outcome.ending, outcome.reason, outcome.may_retry) == (
            Ending.TIMED_OUT,
            Reason.TIMEOUT,
            True,
        )
        put_away(pump, application)


async def test_a_half_closed_stream_in_which_nothing_moves_is_cut() -> None:
    limits = PumpLimits(half_closed=0.1)
    async with tunnel_pair(PKI) as (client, server), stream(client, server, limits) as one:
        one.application.finish()
        assert Ending.TIMED_OUT in [outcome.ending for outcome in await one.outcomes()]
        assert await one.backend.hear_out() == "end"  # what the application said was an end


async def test_an_idle_stream_is_cut_only_after_the_longer_time() -> None:
    limits = PumpLimits(half_closed=0.04, idle=0.4)
    async with tunnel_pair(PKI) as (client, server), stream(client, server, limits) as one:
        await one.application.say(b"x")
        assert await one.backend.hear(1) == b"x"
        assert {outcome.reason for outcome in await one.outcomes()} == {Reason.TIMEOUT}
