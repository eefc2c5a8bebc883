"""A gateway of several processes is one gateway to everybody outside, whatever becomes of the processes."""

import asyncio
import os
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from gateway.probe import ping
from process.address import Address
from tests.support.processes import Running, until
from tests.support.tunnelled import GATEWAY, Way, backend, tunnelled

TWO = ("--workers", "2")


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.write_eof()
    await reader.read()


async def open_calls(way: Way, count: int) -> list[asyncio.StreamWriter]:
    """So many streams that have been answered and stay open."""
    calls = await asyncio.gather(*(way.call() for _ in range(count)))
    for reader, writer in calls:
        writer.write(b"x")
        assert await reader.readexactly(1) == b"x"
    return [writer for _, writer in calls]


async def get(way: Way, path: str) -> tuple[int, str]:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://{way.gateway_admin}{path}") as answer,
    ):
        return answer.status, await answer.text()


async def connections(way: Way) -> list[dict[str, Any]]:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://{way.gateway_admin}/connections") as answer,
    ):
        found: list[dict[str, Any]] = await answer.json()
        return found


async def metric(way: Way, name: str, **labels: str) -> float:
    _, text = await get(way, "/metrics")
    return sum(
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    )


def worker_ids(gateway: Running) -> dict[int, int]:
    """The process id of each worker, by its number, as last started."""
    return {event["worker"]: event["pid"] for event in gateway.events("worker.started")}


async def replaced(gateway: Running, before: dict[int, int]) -> None:
    await until(
        lambda: all(pid != before[number] for number, pid in worker_ids(gateway).items()), "new workers"
    )


async def test_two_workers_are_one_gateway(tmp_path: Path) -> None:
    """Connections are spread evenly; what is asked on the admin port is answered for both."""
    async with backend(echo) as one, tunnelled(tmp_path, one.address, gateway_flags=TWO) as way:
        assert len([e for e in way.gateway.events() if e["event"].endswith(".ready")]) == 1
        assert await get(way, "/ready") == (200, "ready\n")
        writers = await open_calls(way, 400)
        spread = Counter(entry["worker"] for entry in await connections(way))
        assert sum(spread.values()) == 400
        # By the rule nobody goes on over 9/8 of the mean and 2 (and the one that made it too many).
        assert max(spread.values()) <= 200 * 1.125 + 3 + 2, spread
        assert await metric(way, "tcp_open_connections", peer="src") == 400
        assert await metric(way, "tcp_open_total", peer="src") == 400
        assert await metric(way, "jackstay_workers") == 2
        for writer in writers:
            writer.close()
        await way.gateway.logged("connection.closed", count=400)
        by_worker = Counter(event["worker"] for event in way.gateway.events("connection.closed"))
        assert by_worker == spread


async def test_who_waits_to_be_accepted_is_not_lost_with_the_workers(tmp_path: Path) -> None:
    """Both are stopped, so that all connections wait; then they are killed, twice."""
    async with backend(echo) as one, tunnelled(tmp_path, one.address, gateway_flags=TWO) as way:
        generation = way.pki.generation("probe.test")
        gateway = Address.parse(way.gateway.ready["listen"])
        identity = way.pki.identity(GATEWAY).dns_name
        for _ in range(2):
            before = worker_ids(way.gateway)
            for pid in before.values():
                os.kill(pid, signal.SIGSTOP)
            async with asyncio.TaskGroup() as tasks:
                for _ in range(40):
                    tasks.create_task(ping(gateway, identity, generation, timeout=20))
                await until(lambda: waiting(gateway.port) >= 40, "all to wait in the queue")
                for pid in before.values():
                    os.kill(pid, signal.SIGKILL)
            await replaced(way.gateway, before)
        await way.echoes(b"as ever")
        assert await metric(way, "jackstay_worker_deaths_total") == 4
        assert {e["how"] for e in way.gateway.events("worker.died")} == {"SIGKILL"}


def waiting(port: int) -> int:
    """How many connections to our listener at *port* nobody has accepted."""
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, _, state, queues, *_ = line.split()
        if state == "0A" and int(local.rpartition(":")[2], 16) == port:
            return int(queues.partition(":")[2], 16)
    return 0


async def test_a_worker_that_is_killed_takes_only_its_own_connections(tmp_path: Path) -> None:
    async with backend(echo) as one, tunnelled(tmp_path, one.address, gateway_flags=TWO) as way:
        writers = await open_calls(way, 40)
        spread = Counter(entry["worker"] for entry in await connections(way))
        opened = await metric(way, "tcp_open_total", peer="src")
        before = worker_ids(way.gateway)
        os.kill(before[0], signal.SIGKILL)
        await way.gateway.logged("worker.started", count=3)
        assert await get(way, "/ready") == (200, "ready\n")
        assert Counter(entry["worker"] for entry in await connections(way)) == {1: spread[1]}
        assert await metric(way, "tcp_open_total", peer="src") >= opened
        assert await metric(way, "jackstay_worker_deaths_total") == 1
        await way.echoes(b"new")
        for writer in writers:
            writer.close()


async def test_one_that_hangs_does_not_lock_the_door(tmp_path: Path) -> None:
    """The other holds far more than its share then, and takes what comes all the same."""
    none_warm = ("--warm-tunnels", "0")  # one to a worker that hangs would be lost with what was said on it
    left_alone = (*TWO, "--worker-timeout", "3600")
    async with (
        backend(echo) as one,
        tunnelled(tmp_path, one.address, gateway_flags=left_alone, outbound_flags=none_warm) as way,
    ):
        hanging = worker_ids(way.gateway)[0]
        os.kill(hanging, signal.SIGSTOP)
        try:
            writers = await asyncio.wait_for(open_calls(way, 30), 60)
        finally:
            os.kill(hanging, signal.SIGCONT)
        for writer in writers:
            writer.close()


async def test_one_that_hangs_is_replaced(tmp_path: Path) -> None:
    flags = (*TWO, "--worker-timeout", "0.5")
    async with backend(echo) as one, tunnelled(tmp_path, one.address, gateway_flags=flags) as way:
        before = worker_ids(way.gateway)
        os.kill(before[0], signal.SIGSTOP)
        (hung,) = await way.gateway.logged("worker.hung")
        assert (hung["worker"], hung["pid"]) == (0, before[0])
        await until(lambda: worker_ids(way.gateway)[0] != before[0], "a new worker")
        assert not _lives(before[0])
        assert await metric(way, "jackstay_worker_hangs_total") == 1
        assert worker_ids(way.gateway)[1] == before[1]
        await way.echoes(b"as ever")


async def test_sigterm_lets_the_streams_of_all_workers_end(tmp_path: Path) -> None:
    async with backend(echo) as one, tunnelled(tmp_path, one.address, gateway_flags=TWO) as way:
        calls = await asyncio.gather(*(way.call() for _ in range(20)))
        for reader, writer in calls:
            writer.write(b"one")
            assert await reader.readexactly(3) == b"one"
        assert {entry["worker"] for entry in await connections(way)} == {0, 1}
        way.gateway.signal(signal.SIGTERM)
        await way.gateway.logged("gateway.draining", count=3)
        assert await get(way, "/ready") == (503, "not ready: draining\n")
        for reader, writer in calls:
            writer.write(b"more")
            writer.write_eof()
            assert await reader.read() == b"more"
            writer.close()
        assert await way.gateway.ended() == 0
        assert [event["cut"] for event in way.gateway.events("gateway.stopped") if "cut" in event] == [0, 0]
        assert not way.gateway.events("worker.died")


async def test_one_that_hangs_does_not_keep_the_others_from_ending(tmp_path: Path) -> None:
    flags = (*TWO, "--drain-timeout", "0.1")
    async with backend(echo) as one, tunnelled(tmp_path, one.address, gateway_flags=flags) as way:
        os.kill(worker_ids(way.gateway)[0], signal.SIGSTOP)
        way.gateway.signal(signal.SIGTERM)
        assert await way.gateway.ended() == 0
        assert way.gateway.events("gateway.overdue")
        await until(lambda: not any(map(_lives, worker_ids(way.gateway).values())), "the workers' end")


async def test_a_second_signal_ends_all_at_once(tmp_path: Path) -> None:
    async with backend(echo) as one, tunnelled(tmp_path, one.address, gateway_flags=TWO) as way:
        writers = await open_calls(way, 4)
        way.gateway.signal(signal.SIGTERM)
        await way.gateway.logged("gateway.draining", count=3)
        way.gateway.signal(signal.SIGTERM)
        assert await way.gateway.ended() == 130
        await until(lambda: not any(map(_lives, worker_ids(way.gateway).values())), "the workers' end")
        for writer in writers:
            writer.close()


async def test_workers_drain_and_end_when_their_supervisor_is_gone(tmp_path: Path) -> None:
    async with backend(echo) as one, tunnelled(tmp_path, one.address, gateway_flags=TWO) as way:
        reader, writer = await way.call()
        writer.write(b"first")
        assert await reader.readexactly(5) == b"first"
        way.gateway.process.kill()
        await way.gateway.logged("worker.orphaned", count=2)
        writer.write(b"last")
        writer.write_eof()
        assert await reader.read() == b"last"
        writer.close()
        await way.gateway.logged("gateway.stopped", count=2)
        await until(lambda: not any(map(_lives, worker_ids(way.gateway).values())), "the workers' end")


def _lives(pid: int) -> bool:
    """Whether it still runs; one that nobody has waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
