import asyncio
import json
import os
import signal
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import typer
from typer.testing import CliRunner

from certs.authority import make_issuer, new_key
from certs.review_queue import Account, ReviewFailed, TokenRefused
from certs.service import AUDIENCE
from certs.signing_request import make
from cli import identity
from cli.errors import CliError
from cli.identity_cluster import ClusterReviewer, account_of
from cluster.client import Cluster, Reviewed
from cluster.kinds import NAMESPACE, SERVICE_ACCOUNT
from tests.support.cluster import local_cluster
from tests.support.pki import DAY, Issued, Pki

PKI = Pki.make()
APP = typer.Typer()
APP.command()(identity.command)

KUBECONFIG = {
    "apiVersion": "v1",
    "kind": "Config",
    "current-context": "nowhere",
    "contexts": [{"name": "nowhere", "context": {"cluster": "nowhere", "user": "nobody"}}],
    # Port 9 of an address of our own, where nobody listens.
    "clusters": [{"name": "nowhere", "cluster": {"server": "https://127.89.1.1:9"}}],
    "users": [{"name": "nobody", "user": {"token": "unknown"}}],
}


def reviewed(
    username: str = "system:serviceaccount:test:web",
    *,
    authenticated: bool = True,
    audiences: tuple[str, ...] = (AUDIENCE,),
    error: str = "",
) -> Reviewed:
    return Reviewed(authenticated, username, audiences, error, "1234")


def test_a_token_that_the_cluster_vouches_for_names_its_account() -> None:
    assert account_of(reviewed(), AUDIENCE) == Account("test", "web", "1234")
    both = reviewed(audiences=("other", AUDIENCE))
    assert account_of(both, AUDIENCE) == Account("test", "web", "1234")


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (reviewed(authenticated=False), "does not accept"),
        (reviewed(error="expired"), "does not accept"),
        (reviewed(audiences=()), "not made for audience"),
        (reviewed(audiences=("https://kubernetes.default.svc",)), "not made for audience"),
        (reviewed("kubernetes-admin"), "not that of a service account"),
        (reviewed("system:serviceaccount:test"), "not that of a service account"),
        (reviewed("system:serviceaccount:test:"), "not that of a service account"),
        (reviewed("system:serviceaccount:test:web:x"), "not that of a service account"),
        (reviewed("system:node:test:web"), "not that of a service account"),
    ],
    ids=repr,
)
def test_any_other_token_is_refused(answer: Reviewed, said: str) -> None:
    with pytest.raises(TokenRefused, match=said):
        account_of(answer, AUDIENCE)


def flags(directory: Path, *, pki: Pki = PKI) -> list[str]:
    """A command line that works, with all its files in *directory*."""
    own = PKI.leaf("jackstay-identity.jackstay").write(directory, "identity")
    (directory / "issuer.crt").write_bytes(pki.issuer.pem)
    (directory / "issuer.key").write_bytes(pki.issuer.key_pem)
    (directory / "kubeconfig").write_text(json.dumps(KUBECONFIG))
    return [
        *own.flags,
        *("--issuer-certificate", str(directory / "issuer.crt")),
        *("--issuer-key", str(directory / "issuer.key")),
        *("--kubeconfig", str(directory / "kubeconfig")),
        *("--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"),
    ]


def refused(arguments: list[str]) -> CliError:
    result = CliRunner().invoke(APP, arguments)
    assert isinstance(result.exception, CliError), result.output
    return result.exception


def test_a_certificate_of_its_own_that_nobody_would_take_is_refused_at_the_start(tmp_path: Path) -> None:
    arguments = flags(tmp_path)
    Pki.make().leaf("jackstay-identity.jackstay").write(tmp_path, "identity")
    (tmp_path / "identity-root.crt").write_bytes(PKI.anchors_pem)
    assert "than the trust anchor of that name" in str(refused(arguments))
    PKI.leaf("jackstay-identity.jackstay", at=PKI.now - 0.5 * DAY, lifetime=0.25 * DAY).write(
        tmp_path, "identity"
    )
    assert "the leaf has expired" in str(refused(arguments))


@pytest.mark.parametrize("missing", ["identity.crt", "identity-root.crt", "kubeconfig"])
def test_a_missing_file_is_named(tmp_path: Path, missing: str) -> None:
    arguments = flags(tmp_path)
    (tmp_path / missing).unlink()
    assert missing in str(refused(arguments))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (lambda flags: [*flags, "--issuer-secret", "issuer"], "name the issuer by --issuer-secret, or by"),
        (lambda flags: without(flags, "--issuer-key"), "name the issuer by --issuer-secret, or by"),
        (
            lambda flags: without(without(flags, "--issuer-key"), "--issuer-certificate"),
            "name the issuer by --issuer-secret, or by",
        ),
        (lambda flags: without(flags, "--key"), "--certificate and --key go together"),
        (lambda flags: without(flags, "--certificate"), "--certificate and --key go together"),
        (lambda flags: [*flags, "--namespace", "no.label"], "namespace 'no.label' is not"),
        (lambda flags: [*flags, "--trust-domain", "East"], "label 'East' is not"),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    tmp_path: Path, changed: Callable[[list[str]], list[str]], said: str
) -> None:
    assert said in str(refused(changed(flags(tmp_path))))


def without(arguments: list[str], flag: str) -> list[str]:
    at = arguments.index(flag)
    return arguments[:at] + arguments[at + 2 :]


@contextmanager
def started(arguments: list[str]) -> Iterator[tuple[subprocess.Popen[str], dict[str, str]]]:
    """The process, and the line in which it says where it is."""
    command = [sys.executable, "-m", "cli", "identity", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as process:
        try:
            yield process, said(process, "identity.ready", "identity.starting")
        finally:
            process.kill()


def said(process: subprocess.Popen[str], *events: str) -> dict[str, str]:
    """The next line of the log that tells of one of *events*."""
    assert process.stderr is not None
    for line in process.stderr:
        found: dict[str, str] = json.loads(line)
        if found["event"] in events:
            return found
    raise AssertionError(f"the process ended and never said any of {events}")


async def status(ready: dict[str, str]) -> tuple[int, str]:
    """What /ready answers."""
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://{ready['admin']}/ready") as answer,
    ):
        return answer.status, await answer.text()


async def test_the_process_says_where_it_listens_and_ends_on_sigterm(tmp_path: Path) -> None:
    with started(flags(tmp_path)) as (process, ready):
        assert ready["event"] == "identity.ready"
        assert await status(ready) == (200, "ready\n")
        async with aiohttp.ClientSession() as session:
            async with asked(session, ready) as answer:
                assert answer.status == 503
                assert (await answer.json())["error"] == "unavailable"
            async with session.get(f"http://{ready['admin']}/metrics") as answer:
                text = await answer.text()
                assert 'jackstay_identity_requests_total{result="unavailable"} 1.0' in text
                assert 'jackstay_identity_token_review_failures_total{reason="failed"} 1.0' in text
                assert "issuer_cert_ttl_seconds 3." in text
        process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(process.wait, 10) == 0


def asked(session: aiohttp.ClientSession, ready: dict[str, str]) -> Any:
    web = PKI.identity("web.test")
    body = {"identity": web.dns_name, "token": "t", "csr": make(web, new_key()).decode()}
    tls = ssl.create_default_context(cadata=PKI.anchors_pem.decode())
    name = PKI.identity("jackstay-identity.jackstay").dns_name
    return session.post(f"https://{ready['listen']}/v1/certify", json=body, ssl=tls, server_hostname=name)


async def test_without_files_of_its_own_it_shows_what_it_issues_to_itself(tmp_path: Path) -> None:
    arguments = without(without(flags(tmp_path), "--certificate"), "--key")
    with started(arguments) as (process, starting):
        ready = await asyncio.to_thread(said, process, "identity.ready")
        assert ready["listen"] == starting["listen"]
        async with aiohttp.ClientSession() as session, asked(session, ready) as answer:
            assert answer.status == 503


UNUSABLE: list[tuple[str, Callable[[Path], object], str]] = [
    ("no certificate", lambda at: (at / "issuer.crt").unlink(), "issuer.crt"),
    ("no key", lambda at: (at / "issuer.key").unlink(), "issuer.key"),
    ("half a key", lambda at: (at / "issuer.key").write_bytes(PKI.issuer.key_pem[:100]), "the key"),
    ("other anchors", lambda at: write_issuer(at, Pki.make()), "peers would refuse what it signs"),
    (
        "another trust domain",
        lambda at: write_issuer(at, Pki.make("east.jackstay", constrained=True)),
        "bound to east.jackstay",
    ),
]


def write_issuer(directory: Path, pki: Pki) -> None:
    (directory / "issuer.crt").write_bytes(pki.issuer.pem)
    (directory / "issuer.key").write_bytes(pki.issuer.key_pem)


@pytest.mark.parametrize(("_", "spoil", "why"), UNUSABLE, ids=[name for name, _, _ in UNUSABLE])
async def test_without_a_usable_issuer_it_runs_says_why_and_mends(
    tmp_path: Path, _: str, spoil: Callable[[Path], object], why: str
) -> None:
    arguments = flags(tmp_path)
    spoil(tmp_path)
    with started(arguments) as (process, ready):
        code, text = await status(ready)
        assert code == 503
        assert text.startswith("not ready: issuer: ")
        assert why in text
        async with aiohttp.ClientSession() as session, asked(session, ready) as answer:
            assert answer.status == 503
            assert "the certificate issuer is not ready" in (await answer.json())["message"]
            assert answer.headers["Retry-After"] == "5"
        write_issuer(tmp_path, PKI)
        await asyncio.to_thread(said, process, "issuer.loaded")
        assert await status(ready) == (200, "ready\n")


def swap(directory: Path, files: dict[str, bytes]) -> None:
    """Exchange all *files* at once, as the kubelet does: a new directory, and one rename of a link to it."""
    data = directory / f"..{os.urandom(4).hex()}"
    data.mkdir()
    for name, content in files.items():
        (data / name).write_bytes(content)
        if not (directory / name).is_symlink():
            (directory / name).unlink(missing_ok=True)
            (directory / name).symlink_to(Path("..data") / name)
    (directory / "..new").symlink_to(data.name)
    (directory / "..new").rename(directory / "..data")


def own_files(leaf: Issued) -> dict[str, bytes]:
    return {"identity.crt": leaf.certificate_pem, "identity.key": leaf.key_pem}


async def shown(ready: dict[str, str]) -> bytes:
    """The certificate that a new handshake is shown."""
    host, _, port = ready["listen"].rpartition(":")
    tls = ssl.create_default_context(cadata=PKI.anchors_pem.decode())
    name = PKI.identity("jackstay-identity.jackstay").dns_name
    _, writer = await asyncio.open_connection(host, int(port), ssl=tls, server_hostname=name)
    found = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    await writer.wait_closed()
    return bytes(found)


async def test_files_that_the_kubelet_swaps_are_taken_over_without_a_restart(tmp_path: Path) -> None:
    arguments = flags(tmp_path)
    first, second = (PKI.leaf("jackstay-identity.jackstay") for _ in range(2))
    issuer = {"issuer.crt": PKI.issuer.pem, "issuer.key": PKI.issuer.key_pem}
    swap(tmp_path, {**own_files(first), **issuer})
    with started(arguments) as (process, ready):
        assert await shown(ready) == first.chain[0]
        swap(tmp_path, {**own_files(second), **issuer})
        await asyncio.to_thread(said, process, "certificate.loaded")
        assert await shown(ready) == second.chain[0]
        newer = make_issuer("newer", PKI.root, now=PKI.now)
        swap(tmp_path, {**own_files(second), "issuer.crt": newer.pem, "issuer.key": newer.key_pem})
        await asyncio.to_thread(said, process, "issuer.loaded")
        swap(tmp_path, {**own_files(second), "issuer.crt": newer.pem, "issuer.key": PKI.issuer.key_pem})
        await asyncio.to_thread(said, process, "issuer.refused")
        assert await status(ready) == (200, "ready\n")


async def test_its_own_key_is_in_no_file(tmp_path: Path) -> None:
    arguments = without(without(flags(tmp_path), "--certificate"), "--key")
    with started(arguments) as (process, _):
        ready = await asyncio.to_thread(said, process, "identity.ready")
        assert await shown(ready)
        assert not [path for path in opened(process.pid) if path.suffix == ".key" or "memfd" in str(path)]


def opened(pid: int) -> list[Path]:
    """What the process has open."""
    return [link.readlink() for link in Path(f"/proc/{pid}/fd").iterdir()]


async def test_a_local_cluster_says_whose_a_token_is_and_for_whom() -> None:
    async with local_cluster() as local, Cluster(local.access) as cluster:
        for kind, metadata in (
            (NAMESPACE, {"name": "test"}),
            (SERVICE_ACCOUNT, {"name": "web", "namespace": "test"}),
        ):
            body = {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata}
            uid = (await cluster.create(kind, body))["metadata"]["uid"]
        reviewer = ClusterReviewer(cluster)
        ours = await cluster.create_token("test", "web", audiences=[AUDIENCE], seconds=3600)
        assert await reviewer.review(ours.token, AUDIENCE) == Account("test", "web", uid)
        others = await cluster.create_token("test", "web", audiences=["another"], seconds=3600)
        for token in (others.token, ours.token + "x", "forged"):
            with pytest.raises(TokenRefused):
                await reviewer.review(token, AUDIENCE)


async def test_a_cluster_that_cannot_be_asked_gives_no_verdict() -> None:
    async with local_cluster() as local:
        access = local.access
    async with Cluster(access, deadline=2.0) as cluster:
        with pytest.raises(ReviewFailed):
            await ClusterReviewer(cluster).review("t", AUDIENCE)
