"""Files that change take effect without a restart; broken ones take none."""

import asyncio
import socket
from functools import partial
from pathlib import Path

import pytest

from tests.flows.test_both_ends_from_files import echo
from tests.support.clusters import until
from tests.support.issuing import metric
from tests.support.pki import Pki
from tests.support.tunnelled import CLIENT, GATEWAY, backend, is_reset, targets_toml, tunnelled

WARM = 2
"""Tunnels that the outbound end keeps ready besides those in use."""


async def test_an_export_that_is_taken_away_is_refused_and_one_that_comes_is_served(tmp_path: Path) -> None:
    async with backend(echo) as one, tunnelled(tmp_path, one.address) as way:
        way.write_routes(one.address, service="other.test.svc.cluster.local")
        await way.gateway.logged("file.loaded")
        await is_reset(way.entrance)
        way.write_routes(one.address)
        await way.gateway.logged("file.loaded", count=2)
        await way.echoes(b"back")


async def test_a_stream_of_an_export_that_is_taken_away_is_cut(tmp_path: Path) -> None:
    async with backend(echo) as one, tunnelled(tmp_path, one.address) as way:
        reader, writer = await way.call()
        writer.write(b"still")
        assert await reader.readexactly(5) == b"still"
        way.write_routes(one.address, more="allow-identities = []")
        with pytest.raises(ConnectionResetError):
            await reader.read()
        writer.close()
        (ended,) = await way.gateway.logged("connection.closed")
        assert (ended["ending"], ended["reason"]) == ("cut", "not_allowed")


async def test_backends_on_this_machine_may_be_forbidden_and_allowed_again(tmp_path: Path) -> None:
    async with backend(echo) as one, tunnelled(tmp_path, one.address) as way:
        way.write_routes(one.address, loopback=False)
        await way.gateway.logged("file.loaded")
        await is_reset(way.entrance)
        assert one.connections == 0
        way.write_routes(one.address)
        await way.gateway.logged("file.loaded", count=2)
        await way.echoes(b"back")


async def test_an_address_that_somebody_holds_is_offered_once_it_is_given_back(tmp_path: Path) -> None:
    async with backend(echo) as one, tunnelled(tmp_path, one.address) as way:
        with socket.create_server(("127.0.0.1", 0)) as holder:
            listen = f"127.0.0.1:{holder.getsockname()[1]}"
            identity = way.pki.identity(GATEWAY).dns_name
            text = targets_toml([way.gateway.ready["listen"]], identity, listen=listen)
            (tmp_path / "targets.toml").write_text(text)
            (told,) = await way.outbound.logged("target.not_listening", listen=listen)
            assert told["error"] == f"cannot listen on {listen}: Address already in use"
        await way.outbound.logged("target.offered", listen=listen)
        host, port = listen.split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"here")
        assert await reader.readexactly(4) == b"here"
        writer.close()


async def test_a_broken_file_keeps_the_old_routes_and_says_why(tmp_path: Path) -> None:
    async with backend(echo) as one, tunnelled(tmp_path, one.address) as way:
        way.write_routes(one.address, more="colour = 'green'")
        (kept,) = await way.gateway.logged("file.kept")
        assert "'colour' is not known here" in kept["error"]
        await way.echoes(b"as before")


async def test_a_new_certificate_is_shown_to_new_peers_and_streams_stay(tmp_path: Path) -> None:
    async with backend(echo) as one, tunnelled(tmp_path, one.address) as way:
        reader, writer = await way.call()
        writer.write(b"one")
        assert await reader.readexactly(3) == b"one"
        way.pki.leaf("jackstay-gateway.jackstay").write(tmp_path, "gateway")
        await way.gateway.logged("certificate.loaded", generation=2)
        writer.write(b"two")
        assert await reader.readexactly(3) == b"two"
        writer.close()


@pytest.mark.parametrize("end", ["gateway", "outbound"])
async def test_other_anchors_end_what_they_do_not_vouch_for(tmp_path: Path, end: str) -> None:
    flags = ("--max-identity-overrun", "0.1")
    async with (
        backend(echo) as one,
        tunnelled(tmp_path, one.address, gateway_flags=flags, outbound_flags=flags) as way,
    ):
        reader, writer = await way.call()
        writer.write(b"on")
        assert await reader.readexactly(2) == b"on"
        other = Pki.make()
        if end == "gateway":
            other.leaf(GATEWAY).write(tmp_path, "gateway")
        else:
            other.leaf(CLIENT).write(tmp_path, "client")
        running = way.gateway if end == "gateway" else way.outbound
        await running.logged("peer.distrusted", reason="untrusted", seconds=0.1)
        with pytest.raises(ConnectionResetError):
            await reader.read()
        writer.close()
        await is_reset(way.entrance)


@pytest.mark.parametrize("end", ["gateway", "outbound"])
async def test_a_new_certificate_replaces_all_tunnels_and_nothing_is_lost(tmp_path: Path, end: str) -> None:
    flags = ("--rotation-spread", "0.5", "--log-level", "debug")
    async with (
        backend(echo) as one,
        tunnelled(tmp_path, one.address, gateway_flags=flags, outbound_flags=flags) as way,
    ):
        running = [await way.call() for _ in range(5)]
        for reader, writer in running:
            writer.write(b"one")
            assert await reader.readexactly(3) == b"one"
        tunnels = partial(metric, way.gateway.ready["admin"], "jackstay_tunnels", direction="inbound")
        await until(tunnels, lambda number: number == len(running) + WARM)  # none is made after the change
        if end == "gateway":
            way.pki.leaf(GATEWAY).write(tmp_path, "gateway")
        else:
            way.pki.leaf(CLIENT).write(tmp_path, "client")
        replaced = asyncio.create_task(way.gateway.logged("tunnel.closed", count=WARM))
        while not replaced.done():
            await way.echoes(b"new")
        for reader, writer in running:
            writer.write(b"two")
            writer.write_eof()
            assert await reader.read() == b"two"
            writer.close()
        await way.gateway.logged("tunnel.closed", count=WARM + len(running))
        ended = await way.gateway.logged("connection.closed", count=one.connections)
        assert {event["ending"] for event in ended} == {"finished"}


async def test_a_key_of_another_certificate_is_not_taken(tmp_path: Path) -> None:
    async with backend(echo) as one, tunnelled(tmp_path, one.address) as way:
        way.gateway_files.key.write_bytes(Pki.make().leaf("web.test").key_pem)
        await way.gateway.logged("certificate.kept")
        reader, writer = await asyncio.open_connection(*way.entrance)
        writer.write(b"on")
        assert await reader.readexactly(2) == b"on"
        writer.close()
