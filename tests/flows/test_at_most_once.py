"""
What an application says reaches a backend once, or not at all: also if the gateway dies at any moment.

First the client's end is ours and the gateway a script which dies behind any frame, and within some. What
was said to it counts as delivered, since it may have been. In the end both ends are ours, and the gateways
are processes that are killed.
"""

import asyncio
import contextlib
import itertools
import random
import signal
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable
from enum import Enum, auto
from pathlib import Path

import pytest

from gateway import pump
from gateway.settings import OutboundSettings, PoolSettings
from process.address import Address
from tests.gateway.test_close_matrix import unacknowledged
from tests.support.callers import Caller, calling
from tests.support.pki import Pki
from tests.support.processes import PATIENCE, until
from tests.support.scripted_gateway import (
    DATA,
    END,
    GOAWAY,
    OPEN,
    OPENED,
    PING,
    PONG,
    REFUSED,
    Conversation,
    ScriptedGateways,
    frame,
)
from tests.support.tunnelled import (
    GATEWAY,
    backend,
    start_gateway,
    start_outbound,
    targets_toml,
    tunnelled,
)

PKI = Pki.make()
ON_NEED = OutboundSettings(allow_loopback=True, pool=PoolSettings(warm=0))
QUESTION = b"charge the card once"
ANSWER = b"it is charged"


class Stage(Enum):
    """What a gateway does for one stream, in this order; it dies when it has done it."""

    HANDSHAKE = auto()
    PING_HEARD = auto()
    PONG_HALF_SAID = auto()
    PONG_SAID = auto()
    OPEN_HEARD = auto()
    OPENED_HALF_SAID = auto()
    OPENED_SAID = auto()
    DATA_HEARD = auto()
    END_HEARD = auto()
    ANSWER_HALF_SAID = auto()
    ANSWER_SAID = auto()
    END_HALF_SAID = auto()
    END_SAID = auto()

    def __lt__(self, other: "Stage") -> bool:
        return bool(self.value < other.value)


class Speaks(Enum):
    """When the application speaks, and what of it goes out with the OPEN."""

    AT_ONCE = "at once, and its words go out with OPEN"
    UNTRUSTED = "at once, but the tunnel was not heard for long: its words wait for OPENED"
    WHEN_OPENED = "not before a gateway has said OPENED"


async def dies_by_reset(gateway: Conversation) -> None:
    await gateway.overhear()  # nobody may say afterwards that it had not come
    # Nor that it had not been said; the kernel has no event for that.
    while unacknowledged(gateway.peer.sock):  # noqa: ASYNC110
        await asyncio.sleep(0)
    gateway.peer.break_off()


async def dies_by_fin(gateway: Conversation) -> None:
    gateway.peer.fin()


async def dies_by_close_notify(gateway: Conversation) -> None:
    await gateway.overhear()  # OpenSSL takes no words of the peer while it says its last one
    await gateway.peer.end()


async def dies_by_both(gateway: Conversation) -> None:
    await dies_by_close_notify(gateway)
    gateway.peer.fin()


DEATHS = (dies_by_reset, dies_by_fin, dies_by_close_notify, dies_by_both)


class Gateway:
    """Answers the question, or dies on the way."""

    def __init__(self) -> None:
        self.opened = asyncio.Event()
        self.died = False

    def dies(
        self, stage: Stage, death: Callable[[Conversation], Awaitable[None]]
    ) -> Callable[[Conversation], Awaitable[None]]:
        async def script(gateway: Conversation) -> None:
            stages = self._stages(gateway)
            async for reached in stages:
                if reached is stage:
                    break
            await stages.aclose()
            self.died = True
            await death(gateway)

        return script

    async def lives(self, gateway: Conversation) -> None:
        async for _ in self._stages(gateway):
            pass

    async def _stages(self, gateway: Conversation) -> AsyncGenerator[Stage, None]:
        yield Stage.HANDSHAKE
        pong = frame(PONG, await gateway.hear(PING))
        yield Stage.PING_HEARD
        await gateway.peer.say(pong[:5])
        yield Stage.PONG_HALF_SAID
        await gateway.peer.say(pong[5:])
        yield Stage.PONG_SAID
        await gateway.hear(OPEN)
        yield Stage.OPEN_HEARD
        await gateway.peer.say(frame(OPENED)[:3])
        yield Stage.OPENED_HALF_SAID
        await gateway.peer.say(frame(OPENED)[3:])
        self.opened.set()
        yield Stage.OPENED_SAID
        await gateway.hear_data(len(QUESTION))
        yield Stage.DATA_HEARD
        await gateway.hear(END)
        yield Stage.END_HEARD
        answer = frame(DATA, ANSWER)
        await gateway.peer.say(answer[:9])
        yield Stage.ANSWER_HALF_SAID
        await gateway.peer.say(answer[9:])
        yield Stage.ANSWER_SAID
        await gateway.peer.say(frame(END)[:1])
        yield Stage.END_HALF_SAID
        await gateway.peer.say(frame(END)[1:])
        yield Stage.END_SAID


async def ask(caller: Caller, opened: asyncio.Event | None = None) -> tuple[str, bytes]:
    """What an application hears that asks the question, once somebody has *opened* if that is wanted."""
    async with asyncio.timeout(PATIENCE):
        application = await caller.call()
        if opened is not None:
            await opened.wait()
        with contextlib.suppress(OSError):  # the reset has come already
            await application.say(QUESTION)
            application.finish()
        return await application.hear_out(), bytes(application.heard)


def may_be(stage: Stage, speaks: Speaks) -> set[str]:
    """How the call may end for the application."""
    if stage is Stage.END_SAID or stage < Stage.OPEN_HEARD:
        return {"end"}
    if stage < Stage.OPENED_SAID:
        # With its words perhaps on the way there is no second try; without them there must be one.
        return {"end", "reset"} if speaks is Speaks.AT_ONCE else {"end"}
    return {"reset"}


@pytest.mark.parametrize("death", DEATHS)
@pytest.mark.parametrize("stage", Stage)
@pytest.mark.parametrize("speaks", Speaks, ids=lambda speaks: speaks.name)
async def test_a_gateway_that_dies(
    speaks: Speaks,
    stage: Stage,
    death: Callable[[Conversation], Awaitable[None]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if speaks is Speaks.UNTRUSTED:
        monkeypatch.setattr(pump, "FRESH", -1.0)
    gateway = Gateway()
    wait_for = gateway.opened if speaks is Speaks.WHEN_OPENED else None
    async with (
        ScriptedGateways(PKI, gateway.dies(stage, death), gateway.lives) as gateways,
        calling(PKI, *gateways.addresses, settings=ON_NEED) as caller,
    ):
        ending, heard = await ask(caller, wait_for)
    assert gateway.died
    assert gateways.told(QUESTION) <= 1
    assert ending in may_be(stage, speaks)
    if ending == "end":
        assert heard == ANSWER
        assert gateways.told(QUESTION) == 1
    else:
        assert ANSWER.startswith(heard)


REFUSAL = b'{"reason": "draining", "message": "the gateway is about to end"}'


async def refuses(gateway: Conversation) -> None:
    await gateway.say(REFUSED, REFUSAL)


async def distrusts(gateway: Conversation) -> None:
    await gateway.say(REFUSED, b'{"reason": "untrusted", "message": "the trust anchors have changed"}')


async def leaves_it_out(gateway: Conversation) -> None:
    await gateway.say(GOAWAY, bytes(8))


async def counts_it(gateway: Conversation) -> None:
    await gateway.say(GOAWAY, (1).to_bytes(8, "big"))


@pytest.mark.parametrize("death", DEATHS)
@pytest.mark.parametrize(
    ("answer", "ends"),
    [(refuses, "end"), (distrusts, "end"), (leaves_it_out, "end"), (counts_it, "reset")],
)
async def test_a_gateway_that_has_the_question_and_dies_behind_its_word(
    answer: Callable[[Conversation], Awaitable[None]],
    ends: str,
    death: Callable[[Conversation], Awaitable[None]],
) -> None:
    """REFUSED, and a GOAWAY that leaves the OPEN out, are promises: what was said may be said again."""
    gateway = Gateway()

    async def script(first: Conversation) -> None:
        await first.let_in()
        await first.hear(OPEN)
        await first.hear_data(len(QUESTION))
        await first.hear(END)
        await answer(first)
        await death(first)

    async with (
        ScriptedGateways(PKI, script, gateway.lives) as gateways,
        calling(PKI, *gateways.addresses, settings=ON_NEED) as caller,
    ):
        ending, heard = await ask(caller)
    assert (ending, heard) == ((ends, ANSWER) if ends == "end" else (ends, b""))
    # The first has promised that it gave none of it to anybody.
    assert gateways.told(QUESTION) == (2 if ends == "end" else 1)


KILLS = 6


async def test_gateways_killed_under_load_and_no_request_arrives_twice(tmp_path: Path) -> None:
    """Two gateways behind one target; by turns one is killed, at some moment, and started again."""
    chance = random.Random(7)
    arrived: Counter[bytes] = Counter()
    answered: list[bytes] = []
    broken: list[bytes] = []

    async def counts(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readexactly(32)
        arrived[request] += 1
        writer.write(request[::-1])
        await reader.read()

    async def keep_asking(entrance: tuple[str, int], worker: int) -> None:
        for number in itertools.count():
            request = b"%016d%016d" % (worker, number)
            reader, writer = await asyncio.open_connection(*entrance)
            try:
                writer.write(request)
                if number % 2:
                    writer.write_eof()
                assert await reader.readexactly(32) == request[::-1]
                answered.append(request)
            except ConnectionError:  # and never an end before the answer
                broken.append(request)
            finally:
                writer.close()

    async with backend(counts) as one, tunnelled(tmp_path, one.address) as way:
        gateways = [way.gateway, await start_gateway(way.processes, tmp_path, way.gateway_files)]
        listens = [str(gateway.ready["listen"]) for gateway in gateways]
        identity = way.pki.identity(GATEWAY).dns_name
        (tmp_path / "targets.toml").write_text(targets_toml(listens, identity))
        outbound = await start_outbound(way.processes, tmp_path, way.client_files)
        entrance = Address.parse(outbound.ready["listen"][0])
        async with asyncio.TaskGroup() as load:
            asking = [
                load.create_task(keep_asking((entrance.host, entrance.port), worker)) for worker in range(8)
            ]
            for kill in range(KILLS):
                so_far = len(answered) + chance.randrange(1, 60)
                await until(lambda so_far=so_far: len(answered) >= so_far, "requests before a kill")
                gateways[kill % 2].signal(signal.SIGKILL)
                await gateways[kill % 2].ended()
                so_far = len(answered) + 1
                await until(lambda so_far=so_far: len(answered) >= so_far, "the other gateway to serve")
                gateways[kill % 2] = await start_gateway(
                    way.processes, tmp_path, way.gateway_files, listen=listens[kill % 2]
                )
            for task in asking:
                task.cancel()
    assert max(arrived.values()) == 1
    assert all(arrived[request] == 1 for request in answered)
    assert broken, "no kill met a request: this shows nothing"
