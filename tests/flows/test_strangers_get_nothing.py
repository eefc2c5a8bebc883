"""Whoever no anchor vouches for, or who asks for what is not exported, gets nothing and is written down."""

import asyncio
import shutil
from pathlib import Path

import pytest

from tests.flows.test_both_ends_from_files import echo
from tests.support.pki import Paths, Pki
from tests.support.tunnelled import Way, backend, is_reset, start_outbound, targets_toml, tunnelled

needs_openssl = pytest.mark.skipif(
    shutil.which("openssl") is None, reason="there is no openssl on the PATH: apt-get install openssl"
)


async def s_client(way: Way, *flags: str, alpn: str = "jackstay/1") -> str:
    """What `openssl s_client` prints when it says nothing to the gateway and waits for its answer."""
    host, port = way.door
    process = await asyncio.create_subprocess_exec(
        *("openssl", "s_client", "-connect", f"{host}:{port}", "-tls1_3", "-ign_eof"),
        *("-CAfile", str(way.client_files.trust_anchors)),
        *(("-alpn", alpn) if alpn else ()),
        *flags,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(60):
        output, _ = await process.communicate()
    return output.decode(errors="replace")


def shown(files: Paths) -> tuple[str, ...]:
    return ("-cert", str(files.certificate), "-key", str(files.key), "-cert_chain", str(files.certificate))


@needs_openssl
async def test_without_a_certificate_the_alert_says_that_one_is_required(tmp_path: Path) -> None:
    async with backend(echo) as one, tunnelled(tmp_path, one.address) as way:
        assert "alert certificate required" in await s_client(way)
        (refused,) = await way.gateway.logged("peer.refused")
        assert refused["reason"] == "untrusted"
        assert one.connections == 0


@needs_openssl
async def test_a_certificate_of_another_anchor_is_refused(tmp_path: Path) -> None:
    stranger = Pki.make().leaf("web.test").write(tmp_path / "elsewhere")
    async with backend(echo) as one, tunnelled(tmp_path, one.address) as way:
        output = await s_client(way, *shown(stranger))
        assert "alert" in output
        (refused,) = await way.gateway.logged("peer.refused")
        assert refused["reason"] == "untrusted"
        assert one.connections == 0


@needs_openssl
async def test_a_certificate_of_ours_is_let_in(tmp_path: Path) -> None:
    async with backend(echo) as one, tunnelled(tmp_path, one.address) as way:
        output = await s_client(way, *shown(way.client_files))
        assert "ALPN protocol: jackstay/1" in output
        assert "Verify return code: 0 (ok)" in output
        await way.gateway.logged("tunnel.closed", streams=0)
        assert not way.gateway.events("peer.refused")


@needs_openssl
@pytest.mark.parametrize("alpn", ["h2", ""])
async def test_another_protocol_is_refused_also_with_a_certificate(tmp_path: Path, alpn: str) -> None:
    async with backend(echo) as one, tunnelled(tmp_path, one.address) as way:
        await s_client(way, *shown(way.client_files), alpn=alpn)
        (refused,) = await way.gateway.logged("peer.refused")
        assert refused["reason"] == "protocol"
        assert one.connections == 0


async def test_what_is_not_tls_is_refused(tmp_path: Path) -> None:
    async with backend(echo) as one, tunnelled(tmp_path, one.address) as way:
        reader, writer = await asyncio.open_connection(*way.door)
        writer.write(b"GET / HTTP/1.1\r\nHost: gateway\r\n\r\n")
        assert await reader.read() == b""
        writer.close()
        (refused,) = await way.gateway.logged("peer.refused")
        assert refused["reason"] == "protocol"
        assert one.connections == 0


async def test_what_is_not_exported_is_refused_by_name(tmp_path: Path) -> None:
    async with backend(echo) as one, tunnelled(tmp_path, one.address) as way:
        identity = way.pki.identity("jackstay-gateway.jackstay").dns_name
        other = targets_toml([way.gateway.ready["listen"]], identity).replace("podinfo", "secret")
        (tmp_path / "targets.toml").write_text(other)
        outbound = await start_outbound(way.processes, tmp_path, way.client_files)
        host, _, port = outbound.ready["listen"][0].rpartition(":")
        await is_reset((host, int(port)))
        (ended,) = await outbound.logged("connection.closed")
        assert (ended["ending"], ended["reason"]) == ("refused", "not_exported")
        (ended,) = await way.gateway.logged("connection.closed")
        assert (ended["ending"], ended["reason"]) == ("refused", "not_exported")
        assert one.connections == 0


async def test_who_is_not_on_the_list_of_a_service_is_refused(tmp_path: Path) -> None:
    admin = 'allow-identities = ["*.ops.serviceaccount.identity.jackstay.cluster.local"]'
    async with backend(echo) as one, tunnelled(tmp_path, one.address, routes=admin) as way:
        await is_reset(way.entrance)
        (ended,) = await way.gateway.logged("connection.closed")
        assert ended["reason"] == "not_allowed"
        assert one.connections == 0


async def test_the_gateway_of_another_cluster_refuses(tmp_path: Path) -> None:
    flags = ("--cluster-name", "north")
    async with (
        backend(echo) as one,
        tunnelled(tmp_path, one.address, targets='cluster = "east"', gateway_flags=flags) as way,
    ):
        await is_reset(way.entrance)
        (ended,) = await way.outbound.logged("connection.closed")
        assert "not of east" in ended["message"]
        assert one.connections == 0


async def test_a_gateway_that_is_not_who_it_must_be_gets_no_byte(tmp_path: Path) -> None:
    async with backend(echo) as one, tunnelled(tmp_path, one.address) as way:
        wrong = way.pki.identity("somebody.else").dns_name
        (tmp_path / "targets.toml").write_text(targets_toml([way.gateway.ready["listen"]], wrong))
        outbound = await start_outbound(way.processes, tmp_path, way.client_files)
        host, _, port = outbound.ready["listen"][0].rpartition(":")
        await is_reset((host, int(port)), b"for somebody else only")
        (ended,) = await outbound.logged("connection.closed")
        assert ended["reason"] == "untrusted"
        assert "somebody.else" in ended["message"]
        assert one.connections == 0
