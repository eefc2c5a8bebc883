"""Peers that do not speak jackstay/1: Linkerd's transport header, and `openssl s_client` by SNI."""

import asyncio
import shutil
from pathlib import Path

import pytest

from gateway.transport_header import ALPN
from tests.flows.test_both_ends_from_files import echo
from tests.support.tunnelled import backend, is_reset, tunnelled

NAME = "9898.podinfo.test.svc.cluster.local"


async def test_a_call_by_the_transport_header_reaches_the_backend_and_is_logged_at_both_ends(
    tmp_path: Path,
) -> None:
    async with backend(echo) as one, tunnelled(tmp_path, one.address, targets=f'protocol = "{ALPN}"') as way:
        reader, writer = await way.call()
        writer.write(b"question")
        writer.write_eof()
        assert await reader.read() == b"question"  # the answer to a half-closed connection, and its end
        writer.close()
        for end in (way.gateway, way.outbound):
            (closed,) = await end.logged("connection.closed")
            assert (closed["ending"], closed["sent"], closed["received"]) == ("finished", 8, 8)


async def test_what_is_not_exported_is_a_reset_for_the_application(tmp_path: Path) -> None:
    async with backend(echo) as one, tunnelled(tmp_path, one.address, targets=f'protocol = "{ALPN}"') as way:
        way.write_routes(one.address, service="other.test.svc.cluster.local")
        await way.gateway.logged("file.loaded")
        await is_reset(way.entrance, b"hello")
        # Tried again, perhaps, as long as the application had not spoken.
        assert {one["reason"] for one in await way.gateway.logged("connection.closed")} == {"not_exported"}
        assert one.connections == 0


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl: apt-get install openssl")
@pytest.mark.parametrize(
    ("name", "answer"), [(NAME, b"hello from afar"), (f"1{NAME}", b""), ("podinfo.example.com", b"")]
)
async def test_openssl_reaches_a_service_that_it_names_by_sni(
    tmp_path: Path, name: str, answer: bytes
) -> None:
    async with backend(echo) as one, tunnelled(tmp_path, one.address) as way:
        files = way.client_files
        process = await asyncio.create_subprocess_exec(
            *("openssl", "s_client", "-quiet", "-no_ign_eof", "-connect", way.gateway.ready["listen"]),
            *("-servername", name, "-tls1_3", "-verify_return_error"),
            *("-CAfile", str(files.trust_anchors), "-cert", str(files.certificate)),
            *("-key", str(files.key), "-cert_chain", str(files.certificate)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            async with asyncio.timeout(60):
                process.stdin.write(b"hello from afar")
                heard = await process.stdout.read(100)
        finally:
            process.stdin.close()
            await process.wait()
        assert heard == answer
        assert one.connections == (1 if answer else 0)
