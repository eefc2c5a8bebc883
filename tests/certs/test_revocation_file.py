"""The file of revocation lists is followed; while it says nothing, nobody comes in."""

import asyncio
import functools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from certs import files
from certs.files import CertificateFiles
from certs.generation import Generation
from certs.revocation import InvalidRevocations
from certs.verification import Revoked, Untrusted
from gateway.metrics import DataPathMetrics
from process.files import changes, write_atomically
from tests.support.crl import crl, revoked
from tests.support.pki import ALPN, DAY, Issued, Pki
from tests.support.processes import until

PKI = Pki.make()
API = PKI.leaf("api.test")
GOOD = crl(PKI.root) + crl(PKI.issuer)


class Site:
    """A leaf's files and revocation lists in a directory, and whoever follows them."""

    def __init__(self, directory: Path) -> None:
        self.own = PKI.leaf("web.test")
        self.paths = self.own.write(directory)
        self.lists = directory / "lists.pem"
        self.lists.write_bytes(GOOD)
        self.at = PKI.now
        self.registry = CollectorRegistry()
        self.metrics = DataPathMetrics(self.registry, "inbound")
        self.told: list[Generation | None] = []
        self.files = CertificateFiles(
            *(self.paths.certificate, self.paths.key, self.paths.trust_anchors),
            alpn=ALPN,
            crl=self.lists,
            now=lambda: self.at,
        )

    def take(self, generation: Generation | None) -> None:
        self.metrics.certificate(generation)
        self.told.append(generation)

    @asynccontextmanager
    async def following(self) -> AsyncIterator[list[Any]]:
        with capture_logs() as said:
            task = asyncio.create_task(self.files.follow(self.take))
            await until(lambda: self.told, "the start")
            yield said
            task.cancel()

    def look(self, who: Issued = API) -> str:
        return self.files.generation().chains.verify(who.chain, role="client", at=self.at).identity

    def value(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(name, labels)

    def reloads(self, result: str) -> float | None:
        return self.value("jackstay_reloads_total", what="crl", result=result)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_AGAIN_EVERY", 0.01)
    monkeypatch.setattr(files, "changes", functools.partial(changes, every=0.01))


async def test_a_new_list_is_taken_over_and_counted(site: Site) -> None:
    async with site.following():
        assert site.look() == API.identity
        before = site.files.generation()
        site.lists.write_bytes(crl(PKI.root) + crl(PKI.issuer, revoked(API)))
        await until(lambda: site.files.generation() is not before, "the new lists")
        with pytest.raises(Revoked):
            site.look()
        assert site.reloads("ok") == 2
    assert site.files.generation().credentials == before.credentials


async def test_while_the_file_cannot_be_used_nobody_comes_in(site: Site) -> None:
    async with site.following() as said:
        for broken in (None, b"", b"x", PKI.anchors_pem):
            if broken is None:
                site.lists.unlink()
            else:
                write_atomically(site.lists, broken, overwrite=True)
            await until(lambda: _refuses(site), "the refusal")
            assert site.value("jackstay_crl_next_update_timestamp_seconds") == 0
            write_atomically(site.lists, GOOD, overwrite=True)
            await until(lambda: not _refuses(site), "the lists again")
    unusable = [line for line in said if line["event"] == "crl.unusable"]
    assert len(unusable) == 4
    assert all("lists.pem: " in line["error"] for line in unusable)
    assert site.reloads("error") == 4


def _refuses(site: Site) -> bool:
    try:
        site.look()
    except Untrusted:
        return True
    return False


async def test_lists_hold_also_while_the_certificate_is_broken(site: Site) -> None:
    async with site.following():
        site.paths.key.write_bytes(b"x")
        await until(lambda: None in site.told, "the refusal of the key")
        site.lists.write_bytes(crl(PKI.root) + crl(PKI.issuer, revoked(API)))
        await until(lambda: _refuses(site), "the revocation")
    assert site.files.generation().credentials == site.own.credentials


async def test_that_we_are_revoked_ourselves_is_said(site: Site) -> None:
    async with site.following() as said:
        site.lists.write_bytes(crl(PKI.root) + crl(PKI.issuer, revoked(site.own)))
        await until(lambda: len(site.told) > 1, "the new lists")
        (told,) = [line for line in said if line["event"] == "certificate.revoked"]
        assert (told["log_level"], told["identity"]) == ("error", site.own.identity)
        site.lists.write_bytes(crl(PKI.issuer))
        await until(lambda: len(site.told) > 2, "the new lists")
        (told,) = [line for line in said if line["event"] == "certificate.unlisted"]
        assert "CN=root.jackstay.test" in told["error"]


async def test_when_the_next_list_is_due_is_a_metric(site: Site) -> None:
    name = "jackstay_crl_next_update_timestamp_seconds"
    assert site.value(name) is None
    async with site.following() as said:
        lists = site.files.generation().revocations
        assert lists is not None
        assert lists.next_update is not None
        assert site.value(name) == lists.next_update.timestamp()
        assert ("crl.loaded", "info") in [(line["event"], line["log_level"]) for line in said]
        site.lists.write_bytes(crl(PKI.root, end=PKI.now - 0.5 * DAY) + crl(PKI.issuer))
        await until(lambda: len(site.told) > 1, "lists that are out of date")
        assert (site.value(name) or 0) < PKI.now.timestamp()
        assert ("crl.loaded", "error") in [(line["event"], line["log_level"]) for line in said]


def test_it_is_not_begun_without_the_lists(tmp_path: Path) -> None:
    paths = PKI.leaf("web.test").write(tmp_path)
    with pytest.raises(InvalidRevocations, match=r"none\.pem: No such file"):
        CertificateFiles(
            *(paths.certificate, paths.key, paths.trust_anchors), alpn=ALPN, crl=tmp_path / "none.pem"
        )
