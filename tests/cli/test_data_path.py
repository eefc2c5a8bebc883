"""`jackstay gateway` and `outbound`: what goes wrong at the start is one sentence, no traceback."""

import asyncio
import socket
import sys
from pathlib import Path

import pytest

from tests.support.pki import Paths, Pki
from tests.support.tunnelled import routes_toml, targets_toml

HOUSE = Path(__file__).parents[2]
PKI = Pki.make()


@pytest.fixture(name="files")
def files_fixture(tmp_path: Path) -> Paths:
    (tmp_path / "routes.toml").write_text(routes_toml("127.0.0.1:9"))
    identity = PKI.identity("jackstay-gateway.jackstay").dns_name
    (tmp_path / "targets.toml").write_text(targets_toml(["127.0.0.1:9"], identity))
    (tmp_path / "broken.toml").write_text("colour = 1\n")
    return PKI.leaf("jackstay-gateway.jackstay").write(tmp_path, "gateway")


async def said(directory: Path, *arguments: str) -> tuple[int, str]:
    """The exit code, and what stands on stderr besides log lines."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "cli", *arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=HOUSE,
        env={"PATH": "/usr/bin:/bin", "HOME": str(directory), "COLUMNS": "200"},
    )
    async with asyncio.timeout(60):
        _, errors = await process.communicate()
    lines = [line for line in errors.decode().splitlines() if not line.startswith("{")]
    return process.returncode or 0, "\n".join(lines)


async def test_a_port_that_is_taken(tmp_path: Path, files: Paths) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        sentence = f"jackstay: cannot listen on {address}: Address already in use"
        routes, targets = str(tmp_path / "routes.toml"), str(tmp_path / "targets.toml")
        gateway = ("gateway", "--routes", routes, *files.flags)
        outbound = ("outbound", "--targets", targets, *files.flags)
        free = "127.0.0.1:0"
        for arguments in (
            (*gateway, "--listen", address, "--admin", free),
            (*gateway, "--listen", free, "--admin", address),
            (*outbound, "--admin", address),
        ):
            assert await said(tmp_path, *arguments) == (1, sentence)
        identity = PKI.identity("jackstay-gateway.jackstay").dns_name
        (tmp_path / "targets.toml").write_text(targets_toml(["127.0.0.1:9"], identity, listen=address))
        assert await said(tmp_path, *outbound, "--admin", free) == (1, sentence)


@pytest.mark.parametrize(
    ("command", "wrong", "told"),
    [
        ("gateway", ("--drain-timeout", "-1"), "Input should be greater than or equal to 0"),
        ("gateway", ("--drain-delay", "-1"), "Input should be greater than or equal to 0"),
        ("gateway", ("--most-connections", "0"), "Input should be greater than or equal to 1"),
        ("outbound", ("--warm-tunnels", "-1"), "Input should be greater than or equal to 0"),
        ("outbound", ("--most-connections", "0"), "Input should be greater than or equal to 1"),
    ],
)
async def test_a_number_that_makes_no_sense(
    tmp_path: Path, files: Paths, command: str, wrong: tuple[str, str], told: str
) -> None:
    code, errors = await said(tmp_path, command, *files.flags, *wrong)
    assert code == 2
    assert told in errors


@pytest.mark.parametrize(("command", "flag"), [("gateway", "--routes"), ("outbound", "--targets")])
async def test_a_file_and_a_cluster_at_once(tmp_path: Path, files: Paths, command: str, flag: str) -> None:
    code, errors = await said(
        tmp_path, command, flag, str(tmp_path / "x.toml"), "--context", "east", *files.flags
    )
    assert code == 1
    assert errors.startswith(f"jackstay: with {flag} no cluster is asked: --kubeconfig and --context")


@pytest.mark.parametrize(("command", "flag"), [("gateway", "--routes"), ("outbound", "--targets")])
async def test_a_file_that_is_broken(tmp_path: Path, files: Paths, command: str, flag: str) -> None:
    file = str(tmp_path / "broken.toml")
    code, errors = await said(tmp_path, command, flag, file, *files.flags, "--admin", "127.0.0.1:0")
    assert code == 1
    assert errors.startswith("jackstay: the file: 'colour' is not known here")
    assert file in errors


async def test_a_key_of_another_certificate(tmp_path: Path, files: Paths) -> None:
    files.key.write_bytes(PKI.leaf("web.test").key_pem)
    code, errors = await said(tmp_path, "gateway", "--routes", str(tmp_path / "routes.toml"), *files.flags)
    assert code == 1
    assert "the key does not belong to the certificate" in errors


async def test_no_cluster_to_be_found(tmp_path: Path, files: Paths) -> None:
    code, errors = await said(tmp_path, "gateway", *files.flags)
    assert (code, errors) == (1, "jackstay: no kubeconfig: name one with --kubeconfig or $KUBECONFIG")


async def test_outbound_without_any_targets(tmp_path: Path, files: Paths) -> None:
    code, errors = await said(tmp_path, "outbound", *files.flags)
    assert code == 1
    assert "--targets FILE or --mode cluster-ip" in errors
