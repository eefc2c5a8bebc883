"""Who is revoked opens nothing, and what runs by it ends at once; the others notice nothing."""

import asyncio
import sys
from pathlib import Path

import pytest

from certs.credentials import Credentials
from tests.flows.test_both_ends_from_files import echo
from tests.support.crl import crl
from tests.support.pki import Paths, Pki
from tests.support.processes import processes
from tests.support.tunnelled import GATEWAY, backend, is_reset, start_outbound, tunnelled


def serial(files: Paths) -> int:
    credentials = Credentials.from_pem(files.certificate.read_bytes(), files.key.read_bytes())
    return credentials.leaf.serial_number


async def said_again(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, word: bytes) -> None:
    writer.write(word)
    assert await reader.readexactly(len(word)) == word


@pytest.mark.parametrize("end", ["gateway", "outbound"])
async def test_whoever_is_revoked_is_cut_off_at_once(tmp_path: Path, end: str) -> None:
    pki, lists = Pki.make(), tmp_path / "lists.pem"
    lists.write_bytes(crl(pki.root) + crl(pki.issuer))
    given = {f"{end}_flags": ("--crl", str(lists))}
    async with backend(echo) as one, tunnelled(tmp_path, one.address, pki=pki, **given) as way:  # type: ignore[arg-type]
        looking = way.gateway if end == "gateway" else way.outbound
        reader, writer = await way.call()
        await said_again(reader, writer, b"one")
        revoked = way.client_files if end == "gateway" else way.gateway_files
        lists.write_bytes(crl(pki.root) + crl(pki.issuer, serial(revoked)))
        with pytest.raises(ConnectionResetError):
            await reader.read()
        writer.close()
        (told, *_) = await looking.logged("peer.distrusted", reason="untrusted", seconds=0.0)
        assert "revoked by CN=identity.jackstay.test" in told["message"]
        (ended,) = await looking.logged("connection.closed")
        assert ended["reason"] == "untrusted"
        connections = one.connections
        await is_reset(way.entrance)
        assert one.connections == connections
        if end == "gateway":
            (refused, *_) = await looking.logged("peer.refused", reason="untrusted")
            assert "is revoked" in refused["message"]


async def test_who_is_not_revoked_goes_on_and_comes_in(tmp_path: Path) -> None:
    pki, lists = Pki.make(), tmp_path / "lists.pem"
    lists.write_bytes(crl(pki.root) + crl(pki.issuer))
    async with (
        backend(echo) as one,
        tunnelled(tmp_path, one.address, pki=pki, gateway_flags=("--crl", str(lists))) as way,
        processes(tmp_path) as more,
    ):
        files = pki.leaf("other.test").write(tmp_path, "other")
        other = await start_outbound(more, tmp_path, files)
        host, _, port = other.ready["listen"][0].rpartition(":")
        running = await asyncio.open_connection(host, int(port))
        await said_again(*running, b"one")
        revoked = await way.call()
        await said_again(*revoked, b"one")
        lists.write_bytes(crl(pki.root) + crl(pki.issuer, serial(way.client_files)))
        with pytest.raises(ConnectionResetError):
            await revoked[0].read()
        await said_again(*running, b"two")
        fresh = await asyncio.open_connection(host, int(port))
        await said_again(*fresh, b"new")
        for _, writer in (running, fresh, revoked):
            writer.close()


async def test_lists_that_cannot_be_read_let_nobody_in_until_they_can(tmp_path: Path) -> None:
    pki, lists = Pki.make(), tmp_path / "lists.pem"
    lists.write_bytes(crl(pki.root) + crl(pki.issuer))
    async with (
        backend(echo) as one,
        tunnelled(tmp_path, one.address, pki=pki, gateway_flags=("--crl", str(lists))) as way,
    ):
        reader, writer = await way.call()
        await said_again(reader, writer, b"one")
        lists.unlink()
        (told,) = await way.gateway.logged("crl.unusable")
        assert "No such file" in told["error"]
        await way.gateway.logged("peer.distrusted", reason="untrusted", seconds=3600.0)
        await is_reset(way.entrance)
        await said_again(reader, writer, b"two")  # nobody says that it is revoked: for an hour
        lists.write_bytes(crl(pki.root) + crl(pki.issuer))
        await way.gateway.logged("peer.trusted_again")
        await said_again(reader, writer, b"three")
        writer.close()
        other = await start_outbound(way.processes, tmp_path, way.client_files)
        host, _, port = other.ready["listen"][0].rpartition(":")
        fresh = await asyncio.open_connection(host, int(port))
        await said_again(*fresh, b"new")
        fresh[1].close()


async def test_a_process_does_not_start_without_the_lists_that_it_is_given(tmp_path: Path) -> None:
    pki = Pki.make()
    files = pki.leaf(GATEWAY).write(tmp_path, "gateway")
    (tmp_path / "routes.toml").write_text("")
    for lists, why in ((tmp_path / "none", "No such file"), (files.certificate, "not an X509 CRL")):
        ran = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "cli", "gateway", "--routes", str(tmp_path / "routes.toml")),
            *("--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", *files.flags, "--crl", str(lists)),
            stderr=asyncio.subprocess.PIPE,
            cwd=Path(__file__).parents[2],
        )
        _, said = await ran.communicate()
        assert ran.returncode == 1
        assert f"jackstay: {lists}: " in said.decode()
        assert why in said.decode()
