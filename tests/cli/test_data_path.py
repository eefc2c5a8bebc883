"""`jackstay gateway` and `outbound`: what goes wrong at the start is one sentence, no traceback."""

import asyncio
import socket
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from cli import gateway, mirror, outbound
from cli.errors import CliError
from tests.support.pki import Paths, Pki
from tests.support.tokens import jwt, token
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


COMMANDS = {"gateway": gateway.command, "outbound": outbound.command, "mirror": mirror.command}


def invoked(command: str, directory: Path, files: Paths, *arguments: str) -> Result:
    """A command with its trust anchors and what it carries, in this process."""
    app = typer.Typer()
    app.command()(COMMANDS[command])
    targets = ("--targets", str(directory / "targets.toml")) if command == "outbound" else ()
    return CliRunner().invoke(app, ["--trust-anchors", str(files.trust_anchors), *targets, *arguments])


EITHER = "take either --certificate FILE and --key FILE, or --identity-service HOST:PORT"


@pytest.mark.parametrize("command", ["gateway", "outbound", "mirror"])
@pytest.mark.parametrize(
    ("given", "why"),
    [
        ((), "it is not said where our certificate comes from"),
        (("--certificate", "x.crt"), "--certificate is of no use without --key"),
        (("--key", "x.key"), "--key is of no use without --certificate"),
        (
            ("--certificate", "x.crt", "--key", "x.key", "--identity-service", "127.0.0.1:9"),
            "it is not clear where our certificate comes from, files or an identity service",
        ),
        (
            ("--key", "x.key", "--identity-service", "127.0.0.1:9"),
            "it is not clear where our certificate comes from, files or an identity service",
        ),
    ],
)
def test_a_certificate_has_one_origin(
    files: Paths, tmp_path: Path, command: str, given: tuple[str, ...], why: str
) -> None:
    result = invoked(command, tmp_path, files, *given)
    assert isinstance(result.exception, CliError), result.output
    assert str(result.exception) == f"{why}: {EITHER}"


def with_token(directory: Path, text: str | None) -> list[str]:
    if text is not None:
        (directory / "token").write_text(text)
    return ["--identity-token", str(directory / "token"), "--identity-service", "127.0.0.1:9"]


@pytest.mark.parametrize("command", ["gateway", "outbound", "mirror"])
@pytest.mark.parametrize(
    ("text", "why"),
    [
        (None, "token: No such file or directory; a pod has it from a projected volume"),
        ("secret", "it is not a JWT"),
        (token("test", "web", audience="another"), "not made for audience identity.jackstay.io"),
        (jwt({"sub": "kubernetes-admin"}), "the token is not that of a service account"),
        (token("test", "a.b"), "service account 'a.b' has a dot in its name"),
    ],
    ids=["missing", "no token", "another audience", "no account", "dotted"],
)
def test_a_token_that_can_only_be_a_mistake_is_one_at_the_start(
    files: Paths, tmp_path: Path, command: str, text: str | None, why: str
) -> None:
    result = invoked(command, tmp_path, files, *with_token(tmp_path, text))
    assert isinstance(result.exception, CliError), result.output
    assert why in str(result.exception)
    assert "secret" not in str(result.exception)
