"""
A thousand connections of all kinds through both ends as processes: what finishes is whole, and afterwards
the books balance and no descriptor is left over.
"""

import asyncio
import hashlib
import random
import struct
from collections import Counter, defaultdict
from pathlib import Path

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from tests.flows.test_resets import reset
from tests.support.processes import Running, until
from tests.support.tunnelled import Way, backend, tunnelled

CONNECTIONS = 1000
AT_ONCE = 40
HEADER = struct.Struct(">IIB")
"""Bytes that the application sends, bytes of the answer, and whether the backend breaks off half-way."""

KINDS = ("half-closes", "half-closes", "waits", "waits", "reads slowly", "resets", "is reset", "leaves")
SIZES = (1, 100, 5_000, 70_000, 400_000)


async def answers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Says the digest of what it was told, and so many bytes that follow from it."""
    told, wanted, breaks = HEADER.unpack(await reader.readexactly(HEADER.size))
    digest = hashlib.sha256(await reader.readexactly(told)).digest()
    answer = random.Random(digest).randbytes(wanted)
    writer.write(digest + (answer[: wanted // 2] if breaks else answer))
    await writer.drain()
    if breaks:
        reset(writer)
    else:
        await reader.read()


async def call(way: Way, seed: int) -> str:
    """One connection, as *seed* says; returns its kind. What finishes is checked."""
    chance = random.Random(seed)
    kind = chance.choice(KINDS)
    told, wanted = chance.randbytes(chance.choice(SIZES)), chance.choice(SIZES)
    reader, writer = await way.call()
    try:
        writer.write(HEADER.pack(len(told), wanted, kind == "is reset"))
        if kind == "leaves":
            writer.write(told[: len(told) // 2])
            return kind
        writer.write(told)
        if kind == "resets":
            await reader.readexactly(chance.randrange(32))
            reset(writer)
            return kind
        if kind == "half-closes":
            writer.write_eof()
        digest = await reader.readexactly(32)
        assert digest == hashlib.sha256(told).digest()
        expected = random.Random(digest).randbytes(wanted)
        if kind == "is reset":
            assert await heard_until_reset(reader, expected)
            return kind
        answer = b""
        while len(answer) < wanted:
            answer += await reader.readexactly(
                min(wanted - len(answer), 4096 if kind == "reads slowly" else wanted)
            )
            await asyncio.sleep(0)
        assert answer == expected
        if kind == "half-closes":
            assert await reader.read() == b""
        return kind
    finally:
        writer.close()


async def heard_until_reset(reader: asyncio.StreamReader, expected: bytes) -> bool:
    """Whether a reset came, behind nothing but a beginning of *expected*."""
    heard = b""
    try:
        while more := await reader.read(65536):
            heard += more
    except ConnectionResetError:
        return expected.startswith(heard) and len(heard) <= len(expected) // 2
    return False


async def scraped(admin: str) -> dict[str, float]:
    """Each metric's sum over its labels, streams counted on their accepted side."""
    async with aiohttp.ClientSession() as session, session.get(f"http://{admin}/metrics") as answer:
        text = await answer.text()
    sums = defaultdict[str, float](float)
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.labels.get("peer", "src") == "src":
                sums[sample.name] += sample.value
    return dict(sums)


async def settled(process: Running) -> tuple[dict[str, float], int]:
    """Its metrics once no stream is open, and its descriptors but for those of tunnels."""
    admin = str(process.ready["admin"])
    async with asyncio.timeout(60):
        while (metrics := await scraped(admin))["tcp_open_connections"]:  # noqa: ASYNC110  # another process
            await asyncio.sleep(0.1)
    return metrics, descriptors(process) - int(metrics["jackstay_tunnels"])


def descriptors(process: Running) -> int:
    return len(list(Path(f"/proc/{process.process.pid}/fd").iterdir()))


async def test_a_thousand_connections_and_nothing_is_left_of_them(tmp_path: Path) -> None:
    async with backend(answers) as one, tunnelled(tmp_path, one.address) as way:
        await call(way, 0)
        ends = (way.gateway, way.outbound)
        before = [(await settled(end))[1] for end in ends]
        seeds = iter(range(1, CONNECTIONS))
        kinds = Counter[str]()

        async def keep_calling() -> None:
            for seed in seeds:
                kinds[await call(way, seed)] += 1

        async with asyncio.TaskGroup() as callers:
            for _ in range(AT_ONCE):
                callers.create_task(keep_calling())
        assert kinds.keys() == set(KINDS)
        for end, descriptors_before in zip(ends, before, strict=True):
            metrics, _ = await settled(end)
            assert metrics["tcp_open_total"] == metrics["tcp_close_total"] == CONNECTIONS
            assert len(end.events("connection.closed")) == CONNECTIONS
            left = metrics["jackstay_tunnels"]
            await until(
                lambda end=end, most=descriptors_before + left: descriptors(end) <= most,
                f"{end.argv[3]} to close all",
            )
