"""A gateway that is asked to end finishes what runs, takes nothing new, and its clients go elsewhere."""

import asyncio
import signal
from pathlib import Path

import aiohttp
import pytest

from tests.flows.test_both_ends_from_files import echo
from tests.support.processes import until
from tests.support.tunnelled import backend, start_gateway, targets_toml, tunnelled


async def test_sigterm_lets_a_running_stream_finish(tmp_path: Path) -> None:
    async with backend(echo) as one, tunnelled(tmp_path, one.address) as way:
        reader, writer = await way.call()
        writer.write(b"before")
        assert await reader.readexactly(6) == b"before"
        way.gateway.signal(signal.SIGTERM)
        await way.gateway.logged("gateway.draining")
        writer.write(b"after")
        assert await reader.readexactly(5) == b"after"
        writer.write_eof()
        assert await reader.read() == b""
        writer.close()
        assert await way.gateway.ended() == 0
        (ended,) = way.gateway.events("connection.closed")
        assert ended["ending"] == "finished"


async def test_what_has_not_finished_in_time_is_reset(tmp_path: Path) -> None:
    flags = ("--drain-timeout", "0.2")
    async with backend(echo) as one, tunnelled(tmp_path, one.address, gateway_flags=flags) as way:
        reader, writer = await way.call()
        writer.write(b"going on")
        assert await reader.readexactly(8) == b"going on"
        way.gateway.signal(signal.SIGTERM)
        with pytest.raises(ConnectionResetError):
            await reader.read()
        writer.close()
        assert await way.gateway.ended() == 0
        (ended,) = await way.outbound.logged("connection.closed")
        assert ended["reason"] == "draining"


async def test_while_it_drains_it_is_not_ready_and_still_serves(tmp_path: Path) -> None:
    flags = ("--drain-delay", "60")
    async with backend(echo) as one, tunnelled(tmp_path, one.address, gateway_flags=flags) as way:
        ready = f"http://{way.gateway_admin}/ready"
        async with aiohttp.ClientSession() as session:
            async with session.get(ready) as answer:
                assert answer.status == 200
            async with session.post(f"http://{way.gateway_admin}/drain") as answer:
                assert answer.status == 202
            await way.gateway.logged("gateway.draining")
            async with session.get(ready) as answer:
                assert (answer.status, await answer.text()) == (503, "not ready: draining\n")
        await way.echoes(b"still")


async def test_new_connections_find_the_gateway_that_took_its_place(tmp_path: Path) -> None:
    async with backend(echo) as one, tunnelled(tmp_path, one.address) as way:
        listen = way.gateway.ready["listen"]
        way.gateway.signal(signal.SIGTERM)
        assert await way.gateway.ended() == 0
        await start_gateway(way.processes, tmp_path, way.gateway_files, listen=listen)
        await way.echoes(b"new")


async def test_of_two_gateways_the_one_that_lives_serves_all(tmp_path: Path) -> None:
    async with backend(echo) as one, tunnelled(tmp_path, one.address) as way:
        other = await start_gateway(way.processes, tmp_path, way.gateway_files)
        identity = way.pki.identity("jackstay-gateway.jackstay").dns_name
        both = [way.gateway.ready["listen"], other.ready["listen"]]
        entrance = way.outbound.ready["listen"][0]
        (tmp_path / "targets.toml").write_text(targets_toml(both, identity, listen=entrance))
        # The door with the free port closes, the one with the port that was taken opens.
        await until(lambda: len(way.outbound.events("target.offered")) == 2, "the second target")
        way.gateway.signal(signal.SIGTERM)
        for _ in range(20):
            await way.echoes(b"served")
        assert await way.gateway.ended() == 0


async def test_sigterm_ends_the_outbound_proxy_when_its_streams_are_over(tmp_path: Path) -> None:
    async with backend(echo) as one, tunnelled(tmp_path, one.address) as way:
        reader, writer = await way.call()
        writer.write(b"last")
        assert await reader.readexactly(4) == b"last"
        way.outbound.signal(signal.SIGTERM)
        await way.outbound.logged("outbound.draining")
        writer.write(b"word")
        writer.write_eof()
        assert await reader.read() == b"word"
        writer.close()
        assert await way.outbound.ended() == 0


async def test_half_a_second_of_new_connections_across_a_drain_loses_none(tmp_path: Path) -> None:
    """Two gateways; one ends while connections go on being made: each is served, by one or the other."""
    async with backend(echo) as one, tunnelled(tmp_path, one.address) as way:
        other = await start_gateway(way.processes, tmp_path, way.gateway_files)
        identity = way.pki.identity("jackstay-gateway.jackstay").dns_name
        both = [way.gateway.ready["listen"], other.ready["listen"]]
        entrance = way.outbound.ready["listen"][0]
        (tmp_path / "targets.toml").write_text(targets_toml(both, identity, listen=entrance))
        await until(lambda: len(way.outbound.events("target.offered")) == 2, "the second target")
        served = 0

        async def keep_calling() -> None:
            nonlocal served
            for _ in range(40):
                reader, writer = await way.call()
                writer.write(b"x" * 100)
                writer.write_eof()
                assert await reader.read() == b"x" * 100
                writer.close()
                served += 1

        async with asyncio.TaskGroup() as callers:
            for _ in range(5):
                callers.create_task(keep_calling())
            await until(lambda: served > 20, "the first connections")
            way.gateway.signal(signal.SIGTERM)
        assert served == 200
        assert await way.gateway.ended() == 0
