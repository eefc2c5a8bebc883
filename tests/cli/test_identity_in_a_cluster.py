"""
The identity service in a cluster: it reads its issuer there, asks whose tokens are, and tells what it did.

In our small API server, and in a real one that lets it do exactly what `jackstay install` lets it do.
"""

import asyncio
import base64
import json
import secrets
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from structlog.testing import capture_logs

from certs.authority import Authority, make_issuer, new_key
from certs.issuer import Settings
from certs.rate_limit import Rate
from certs.service import AUDIENCE
from certs.signing_request import make
from cli.identity_process import IssuerSource, Wanted, serve
from cli.install import rights
from cli.install.everything import manifests
from cli.install.parts import ISSUER_SECRET
from cli.install.rights import IDENTITY_ACCOUNT, Account
from cli.install.wanted import Shown
from cli.install.wanted import Wanted as Installation
from cluster.access import Access
from cluster.client import Cluster
from cluster.errors import AlreadyExists, NotFound
from cluster.event_objects import Event
from cluster.kinds import (
    CONFIG_MAP,
    DEPLOYMENT,
    EVENT,
    NAMESPACE,
    SECRET,
    SERVICE,
    SERVICE_ACCOUNT,
    Kind,
)
from process.address import Address
from tests.support.cluster import local_cluster
from tests.support.clusters import until
from tests.support.pki import Pki
from tests.support.real_api import HOW_TO_GET_THEM, RealApi, assets, real_api

PKI = Pki.make()
NEWER = make_issuer("newer", PKI.root, now=PKI.now)
SETTINGS = Settings("jackstay", PKI.trust_domain)
KINDS = {
    kind.kind: kind
    for kind in (
        CONFIG_MAP,
        DEPLOYMENT,
        NAMESPACE,
        SECRET,
        SERVICE,
        SERVICE_ACCOUNT,
        rights.CLUSTER_ROLE,
        rights.CLUSTER_ROLE_BINDING,
        rights.ROLE,
        rights.ROLE_BINDING,
    )
}
RBAC = {kind.kind for kind in KINDS.values() if kind.group == rights.RBAC}


@pytest.fixture(scope="module", name="real")
def with_rbac(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealApi]:
    binaries = assets()
    if binaries is None:
        pytest.skip(HOW_TO_GET_THEM)
    with real_api(binaries, Path(tmp_path_factory.mktemp("identity")), authorization="RBAC") as api:
        yield api


@pytest.fixture(params=["local", "real"], name="site")
async def in_a_cluster(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator["Site"]:
    """A cluster in which the identity service has been installed; no pod runs there."""
    async with AsyncExitStack() as owned:
        real: RealApi | None = None
        if request.param == "real":
            real = request.getfixturevalue("real")
            await real.ready()
            admin = await owned.enter_async_context(Cluster(real.access))
        else:
            local = await owned.enter_async_context(local_cluster())
            admin = await owned.enter_async_context(Cluster(local.access))
        await install(admin, with_rights=real is not None)
        space = f"test-{secrets.token_hex(4)}"
        await make_object(admin, NAMESPACE, space)
        await make_object(admin, SERVICE_ACCOUNT, "web", space)
        (tmp_path / "root.crt").write_bytes(PKI.anchors_pem)
        yield Site(admin, await access_of(admin), space, tmp_path / "root.crt")


async def install(admin: Cluster, *, with_rights: bool) -> None:
    """What `jackstay install` prints for the identity service alone, applied."""
    issuer = Shown(certificate=PKI.issuer.pem, key=PKI.issuer.key_pem)
    wanted = Installation(
        trust_anchors=PKI.bundle,
        gateway=False,
        mirror=False,
        crds=False,
        identity_service=True,
        issuer=issuer,
    )
    for manifest in manifests(wanted):
        kind, metadata = KINDS[manifest["kind"]], manifest["metadata"]
        if kind.kind in RBAC and not with_rights:
            continue  # the small API server knows no rights
        if kind is not NAMESPACE:
            with suppress(NotFound):
                await admin.delete(kind, metadata.get("namespace"), metadata["name"])
        with suppress(AlreadyExists):
            await admin.create(kind, manifest)


async def access_of(admin: Cluster) -> Access:
    """How the service's account reaches the cluster."""
    token = await admin.create_token("jackstay", IDENTITY_ACCOUNT.name, seconds=3600)
    return replace(admin.access, token=token.token)


async def make_object(admin: Cluster, kind: Kind, name: str, namespace: str = "") -> None:
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    await admin.create(kind, {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata})


@dataclass(slots=True)
class Site:
    """A cluster with the service's account in it, and a running service."""

    admin: Cluster
    access: Access
    space: str
    """The namespace of the workload `web`."""

    anchors: Path
    logs: list[Any] | None = None

    @asynccontextmanager
    async def serving(self, rate: Rate = Rate(50, 2000)) -> AsyncIterator[None]:  # noqa: B008 - frozen
        stopping = asyncio.Event()
        wanted = Wanted(
            SETTINGS,
            rate,
            PKI.bundle,
            self.anchors,
            IssuerSource(ISSUER_SECRET),
            None,
            self.access,
            Address("127.0.0.1", 0),
            Address("127.0.0.1", 0),
        )
        with capture_logs() as logs:
            self.logs = logs
            running = asyncio.create_task(serve(wanted, stopping))
            try:
                yield
            finally:
                stopping.set()
                assert await running == 0

    def said(self, event: str) -> list[Any]:
        return [line for line in self.logs or () if line["event"] == event]

    async def ready(self) -> tuple[int, str]:
        await until(self._starting, bool)
        (starting,) = self.said("identity.starting")
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://{starting['admin']}/ready") as answer,
        ):
            return answer.status, await answer.text()

    async def metric(self, name: str) -> float:
        (starting,) = self.said("identity.starting")
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://{starting['admin']}/metrics") as answer,
        ):
            (line,) = [line for line in (await answer.text()).splitlines() if line.startswith(name + " ")]
            return float(line.rpartition(" ")[2])

    async def _starting(self) -> bool:
        return bool(self.said("identity.starting"))

    async def token(self, audience: str = AUDIENCE) -> str:
        made = await self.admin.create_token(self.space, "web", audiences=[audience], seconds=3600)
        return made.token

    async def ask(self, token: str, name: str = "web") -> tuple[int, dict[str, Any]]:
        """A request for a certificate of *name*, over TLS that is verified."""
        identity = SETTINGS.identity(name, self.space)
        (ready,) = self.said("identity.ready")
        body = {"identity": identity.dns_name, "token": token, "csr": make(identity, new_key()).decode()}
        tls = ssl.create_default_context(cadata=PKI.anchors_pem.decode())
        async with (
            aiohttp.ClientSession() as session,
            session.post(
                f"https://{ready['listen']}/v1/certify",
                json=body,
                ssl=tls,
                server_hostname=SETTINGS.own.dns_name,
            ) as answer,
        ):
            return answer.status, await answer.json()

    async def put_issuer(self, certificate: bytes, key: bytes) -> None:
        data = {"tls.crt": certificate, "tls.key": key}
        encoded = {name: base64.b64encode(value).decode() for name, value in data.items()}
        await self.admin.patch(SECRET, "jackstay", ISSUER_SECRET, {"data": encoded})

    async def events(self, namespace: str, wanted: Callable[[list[Event]], bool]) -> list[Event]:
        async def listed() -> list[Event]:
            found = await self.admin.list(EVENT, namespace=namespace)
            return [Event.from_dict(item) for item in found.items]

        return await until(listed, wanted, seconds=20)


async def healthy(site: Site) -> None:
    await until(site.ready, lambda found: found == (200, "ready\n"), seconds=20)


def signer(answer: dict[str, Any]) -> x509.Certificate:
    return x509.load_pem_x509_certificates(answer["chain"].encode())[1]


async def test_a_workload_gets_a_certificate_for_its_token_and_its_account_is_told(site: Site) -> None:
    async with site.serving():
        await healthy(site)
        status, answer = await site.ask(await site.token())
        assert (status, signer(answer)) == (200, PKI.issuer.certificate)
        leaf = x509.load_pem_x509_certificate(answer["chain"].encode())
        assert (await site.ask(await site.token()))[0] == 200
        (event,) = await site.events(site.space, bool)
        assert (event.reason, event.warning, event.count) == ("IssuedLeafCertificate", False, 1)
        assert leaf.fingerprint(hashes.SHA256()).hex() in event.message
        account = await site.admin.get(SERVICE_ACCOUNT, site.space, "web")
        assert event.involved.uid == account["metadata"]["uid"]
        assert await site.metric("jackstay_identity_token_review_seconds_count") == 2
    assert not site.said("informer.failed")


async def test_refusals_are_told_to_whom_they_concern(site: Site) -> None:
    async with site.serving(Rate(per_second=0.001, burst=2)):
        await healthy(site)
        token = await site.token()
        assert (await site.ask(token, "another"))[0] == 403
        assert (await site.ask(token))[0] == 200
        assert (await site.ask(token))[0] == 429
        for bad in ("forged", token + "x", await site.token("https://kubernetes.default.svc")):
            status, answer = await site.ask(bad)
            assert (status, answer["error"]) == (401, "token_refused")
        theirs = await site.events(site.space, lambda events: len(events) == 3)
        assert sorted((event.reason, event.message.partition(":")[0]) for event in theirs)[:2] == [
            ("IdentityRefused", "identity_mismatch"),
            ("IdentityRefused", "rate_limited"),
        ]
        own = await site.events(
            "jackstay", lambda events: any("token_refused" in event.message for event in events)
        )
        (told,) = [event for event in own if "token_refused" in event.message and event.count in (1, 2, 3)][
            -1:
        ]
        account = await site.admin.get(SERVICE_ACCOUNT, "jackstay", "jackstay-identity")
        assert (told.involved.name, told.involved.kind) == ("jackstay-identity", "ServiceAccount")
        assert account["metadata"]["uid"] in {event.involved.uid for event in own}


async def test_another_issuer_is_used_and_a_broken_one_is_not(site: Site) -> None:
    async with site.serving():
        await healthy(site)
        token = await site.token()
        await site.put_issuer(NEWER.pem, NEWER.key_pem)
        await until(lambda: _own(site), lambda count: count == 2)
        assert signer((await site.ask(token))[1]) == NEWER.certificate
        for broken, why in (
            ((Pki.make().issuer.pem, NEWER.key_pem), "does not belong"),
            (_both(Pki.make().issuer), "peers would refuse what it signs"),
            ((b"no certificate", NEWER.key_pem), "cannot be read"),
        ):
            await site.put_issuer(*broken)
            await until(lambda why=why: _refused(site, why), bool)  # type: ignore[misc]
            status, answer = await site.ask(token)
            assert (status, signer(answer)) == (200, NEWER.certificate)
        await site.admin.delete(SECRET, "jackstay", ISSUER_SECRET)
        await until(lambda: _refused(site, "there is no Secret"), bool)
        assert (await site.ask(token))[0] == 200
        await healthy(site)
        events = await site.events(
            "jackstay",
            lambda events: {"IssuerUpdated", "IssuerUpdateSkipped"} <= {event.reason for event in events},
        )
        assert {event.involved.name for event in events} == {"jackstay-identity"}
    assert "PRIVATE KEY" not in json.dumps(site.logs, default=str)


def _both(issuer: Authority) -> tuple[bytes, bytes]:
    return issuer.pem, issuer.key_pem


async def _own(site: Site) -> int:
    return len(site.said("identity.own_certificate"))


async def _refused(site: Site, why: str) -> bool:
    return any(why in line["error"] for line in site.said("issuer.refused"))


async def test_anchors_that_do_not_vouch_for_the_issuer_stop_it(site: Site) -> None:
    async with site.serving():
        await healthy(site)
        site.anchors.write_bytes(Pki.make().anchors_pem)
        _, text = await until(site.ready, lambda found: found[0] == 503)
        assert "the issuer in use can be used no more: peers would refuse" in text
        status, answer = await site.ask("not even looked at")
        assert (status, answer["error"]) == (503, "unavailable")
        site.anchors.write_bytes(b"no anchors")
        await until(lambda: _kept(site), bool)
        assert (await site.ready())[0] == 503
        site.anchors.write_bytes(PKI.anchors_pem)
        await healthy(site)
        await site.events(
            "jackstay", lambda events: "IssuerValidationFailed" in {event.reason for event in events}
        )


async def _kept(site: Site) -> bool:
    return bool(site.said("trust_anchors.kept"))


async def test_without_its_secret_it_waits_and_says_so(site: Site) -> None:
    await site.admin.delete(SECRET, "jackstay", ISSUER_SECRET)
    async with site.serving():
        code, _ = await until(site.ready, lambda found: "there is no Secret" in found[1])
        assert code == 503
        assert not site.said("identity.ready")
        issuer = Shown(certificate=PKI.issuer.pem, key=PKI.issuer.key_pem)
        metadata = {"name": ISSUER_SECRET, "namespace": "jackstay"}
        body = {"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls", "metadata": metadata}
        await site.admin.create(SECRET, {**body, "data": issuer.data})
        await healthy(site)


@pytest.mark.parametrize(
    ("right", "shows"),
    [(0, "token"), (1, "event"), (2, "secret")],
    ids=["tokenreviews", "events", "the Secret"],
)
async def test_each_right_is_needed(real: RealApi, tmp_path: Path, right: int, shows: str) -> None:
    await real.ready()
    async with Cluster(real.access) as admin:
        await install(admin, with_rights=True)
        everywhere, at_home = list(IDENTITY_ACCOUNT.everywhere), list(IDENTITY_ACCOUNT.at_home)
        (everywhere if right < 2 else at_home).pop(right % 2)
        await _bound(admin, replace(IDENTITY_ACCOUNT, everywhere=tuple(everywhere), at_home=tuple(at_home)))
        space = f"test-{secrets.token_hex(4)}"
        await make_object(admin, NAMESPACE, space)
        await make_object(admin, SERVICE_ACCOUNT, "web", space)
        (tmp_path / "root.crt").write_bytes(PKI.anchors_pem)
        site = Site(admin, await access_of(admin), space, tmp_path / "root.crt")
        async with site.serving():
            if shows == "secret":
                await until(
                    site.ready, lambda found: 'cannot list resource "secrets"' in found[1], seconds=20
                )
                return
            await healthy(site)
            status, answer = await site.ask(await site.token())
            if shows == "token":
                assert (status, "tokenreviews" in answer["message"]) == (503, True)
                return
            assert status == 200  # no certificate is kept back for an Event
            await until(lambda: _event_refused(site), bool)


async def _event_refused(site: Site) -> bool:
    return any('cannot create resource "events"' in line["because"] for line in site.said("event.refused"))


async def _bound(admin: Cluster, account: Account) -> None:
    """Give the service's account the rights of *account* instead of its own."""
    for manifest in rights.manifests(account, "jackstay"):
        kind, metadata = KINDS[manifest["kind"]], manifest["metadata"]
        if kind in (rights.CLUSTER_ROLE, rights.ROLE):
            await admin.patch(kind, metadata.get("namespace"), metadata["name"], {"rules": manifest["rules"]})
    if not account.at_home:
        await admin.patch(rights.ROLE, "jackstay", account.name, {"rules": []})
