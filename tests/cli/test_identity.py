import asyncio
import json
import os
import signal
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import aiohttp
import pytest
import typer
from typer.testing import CliRunner

from certs.authority import new_key
from certs.service import AUDIENCE, ReviewFailed, TokenRefused
from certs.signing_request import make
from cli import identity
from cli.errors import CliError
from cluster.client import Cluster, Reviewed
from cluster.kinds import NAMESPACE, SERVICE_ACCOUNT
from tests.support.cluster import local_cluster
from tests.support.pki import DAY, Pki

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
    return Reviewed(authenticated, username, audiences, error)


def test_a_token_that_the_cluster_vouches_for_names_its_account() -> None:
    assert identity.account_of(reviewed(), AUDIENCE) == ("test", "web")
    both = reviewed(audiences=("other", AUDIENCE))
    assert identity.account_of(both, AUDIENCE) == ("test", "web")


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
        identity.account_of(answer, AUDIENCE)


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


def test_an_issuer_of_other_anchors_is_refused_at_the_start(tmp_path: Path) -> None:
    assert "peers would refuse what it signs" in str(refused(flags(tmp_path, pki=Pki.make())))


def test_a_certificate_of_its_own_that_nobody_would_take_is_refused_at_the_start(tmp_path: Path) -> None:
    arguments = flags(tmp_path)
    Pki.make().leaf("jackstay-identity.jackstay").write(tmp_path, "identity")
    (tmp_path / "identity-root.crt").write_bytes(PKI.anchors_pem)
    assert "than the trust anchor of that name" in str(refused(arguments))
    PKI.leaf("jackstay-identity.jackstay", at=PKI.now - 0.5 * DAY, lifetime=0.25 * DAY).write(
        tmp_path, "identity"
    )
    assert "the leaf has expired" in str(refused(arguments))


def test_an_issuer_bound_to_another_trust_domain_is_refused_at_the_start(tmp_path: Path) -> None:
    east = Pki.make("east.jackstay", constrained=True)
    assert "bound to east.jackstay" in str(refused(flags(tmp_path, pki=east)))


@pytest.mark.parametrize(
    "missing", ["issuer.crt", "issuer.key", "identity.crt", "identity-root.crt", "kubeconfig"]
)
def test_a_missing_file_is_named(tmp_path: Path, missing: str) -> None:
    arguments = flags(tmp_path)
    (tmp_path / missing).unlink()
    assert missing in str(refused(arguments))


@contextmanager
def started(directory: Path) -> Iterator[tuple[subprocess.Popen[str], dict[str, str]]]:
    """The process, and its ready line."""
    command = [sys.executable, "-m", "cli", "identity", *flags(directory)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as process:
        try:
            assert process.stderr is not None
            line = process.stderr.readline()
            yield process, json.loads(line)
        finally:
            process.kill()


async def test_the_process_says_where_it_listens_and_ends_on_sigterm(tmp_path: Path) -> None:
    with started(tmp_path) as (process, ready):
        assert ready["event"] == "identity.ready"
        web = PKI.identity("web.test")
        body = {"identity": web.dns_name, "token": "t", "csr": make(web, new_key()).decode()}
        tls = ssl.create_default_context(cadata=PKI.anchors_pem.decode())
        name = PKI.identity("jackstay-identity.jackstay").dns_name
        async with aiohttp.ClientSession() as session:
            posted = session.post(
                f"https://{ready['listen']}/v1/certify", json=body, ssl=tls, server_hostname=name
            )
            async with posted as answer:
                assert answer.status == 503
                assert (await answer.json())["error"] == "unavailable"
            async with session.get(f"http://{ready['admin']}/ready") as answer:
                assert answer.status == 200
            async with session.get(f"http://{ready['admin']}/metrics") as answer:
                assert 'jackstay_identity_requests_total{result="unavailable"} 1.0' in await answer.text()
        process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(process.wait, 10) == 0


async def test_a_local_cluster_says_whose_a_token_is_and_for_whom() -> None:
    async with local_cluster() as local, Cluster(local.access) as cluster:
        for kind, name, metadata in (
            (NAMESPACE, "test", {"name": "test"}),
            (SERVICE_ACCOUNT, "web", {"name": "web", "namespace": "test"}),
        ):
            body = {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata}
            assert (await cluster.create(kind, body))["metadata"]["name"] == name
        reviewer = identity.ClusterReviewer(cluster)
        ours = await cluster.create_token("test", "web", audiences=[AUDIENCE], seconds=3600)
        assert await reviewer.review(ours.token, AUDIENCE) == ("test", "web")
        others = await cluster.create_token("test", "web", audiences=["another"], seconds=3600)
        for token in (others.token, ours.token + "x", "forged"):
            with pytest.raises(TokenRefused):
                await reviewer.review(token, AUDIENCE)


async def test_a_cluster_that_cannot_be_asked_gives_no_verdict() -> None:
    async with local_cluster() as local:
        access = local.access
    async with Cluster(access, deadline=2.0) as cluster:
        with pytest.raises(ReviewFailed):
            await identity.ClusterReviewer(cluster).review("t", AUDIENCE)
