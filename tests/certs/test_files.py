import asyncio
import functools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from certs import files
from certs.credentials import InvalidCredentials
from certs.files import CertificateFiles, until_next_word
from certs.generation import Generation
from process.files import changes
from tests.support.pki import ALPN, DAY, Paths, Pki
from tests.support.processes import until

PKI = Pki.make()
MINUTE = timedelta(minutes=1)


class Site:
    """A leaf's files in a directory, and whoever follows them, at a time that the test sets."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.at = PKI.now
        self.paths = self.put()
        self.asked = 0
        self.files = CertificateFiles(
            self.paths.certificate, self.paths.key, self.paths.trust_anchors, alpn=ALPN, now=self.now
        )
        self.told: list[Generation | None] = []

    def now(self) -> datetime:
        """Asked once for each try to read the files."""
        self.asked += 1
        return self.at

    def put(self, pki: Pki = PKI, at: datetime | None = None, lifetime: timedelta = DAY) -> Paths:
        """A new leaf into the files, with the anchors of PKI."""
        paths = pki.leaf("web.test", at=at, lifetime=lifetime).write(self.directory)
        paths.trust_anchors.write_bytes(PKI.anchors_pem)
        return paths

    @asynccontextmanager
    async def following(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.files.follow(self.told.append))
        await until(lambda: self.told, "the start")
        yield
        task.cancel()

    @asynccontextmanager
    async def warning(self) -> AsyncIterator[list[Any]]:
        """What is said of the certificate's end."""
        with capture_logs() as said:
            task = asyncio.create_task(self.files.warn())
            await asyncio.sleep(0)
            yield said
        task.cancel()


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_AGAIN_EVERY", 0.01)
    monkeypatch.setattr(files, "changes", functools.partial(changes, every=0.01))


def test_what_has_expired_is_not_begun_with(tmp_path: Path) -> None:
    paths = PKI.leaf("web.test", at=PKI.now - 0.5 * DAY, lifetime=0.25 * DAY).write(tmp_path)
    with pytest.raises(InvalidCredentials, match=r"web\.crt: the leaf has expired"):
        CertificateFiles(paths.certificate, paths.key, paths.trust_anchors, alpn=ALPN)


@pytest.mark.parametrize(
    ("after", "level", "event"),
    [
        (0.75 * DAY, "warning", "certificate.ends_soon"),
        (DAY - MINUTE, "warning", "certificate.ends_soon"),
        (DAY + MINUTE, "error", "certificate.ended"),
        (9 * DAY, "error", "certificate.ended"),
    ],
)
async def test_its_end_is_told_before_and_after(site: Site, after: timedelta, level: str, event: str) -> None:
    site.at += after
    async with site.warning() as said:
        assert [(line["log_level"], line["event"]) for line in said] == [(level, event)]
        assert "without a restart" in said[0]["hint"]


async def test_of_a_fresh_one_nothing_is_said(site: Site) -> None:
    async with site.warning() as said:
        assert said == []


@pytest.mark.parametrize(
    ("left", "seconds"),
    [(DAY, 600), (MINUTE, 61), (timedelta(0), 1), (-timedelta(seconds=1), 600), (-DAY, 600)],
)
def test_the_next_word_is_every_ten_minutes_and_at_the_end(left: timedelta, seconds: float) -> None:
    credentials = PKI.leaf("web.test").credentials
    assert until_next_word(credentials, credentials.not_after - left) == seconds


async def test_a_new_one_is_looked_at_as_soon_as_it_is_there(site: Site) -> None:
    site.at += 0.9 * DAY
    async with site.warning() as said, site.following():
        site.put(at=PKI.now)  # no better than the one before
        await until(lambda: len(site.told) == 2, "the new generation")
        await until(
            lambda: [line["event"] for line in said].count("certificate.ends_soon") == 2, "the warning"
        )


@pytest.mark.parametrize(
    ("pki", "at", "why"),
    [
        (PKI, PKI.now - 0.9 * DAY, "the leaf has expired"),
        (PKI, PKI.now + DAY, "the leaf is not valid yet"),
        (Pki.make(), PKI.now, "signed by another CN=root.jackstay.test than the trust anchor"),
    ],
    ids=["expired", "not yet valid", "another anchor's"],
)
async def test_what_peers_would_refuse_is_not_taken_over(
    site: Site, pki: Pki, at: datetime, why: str
) -> None:
    before = site.files.generation()
    with capture_logs() as said:
        async with site.following():
            site.put(pki, at, lifetime=0.5 * DAY)
            await until(lambda: len(site.told) > 1, "a verdict")
            before_that = site.asked
            await until(lambda: site.asked > before_that + 3, "more tries, of which nothing is said")
    assert site.told == [before, None]
    assert site.files.generation() is before
    (kept,) = [line for line in said if line["event"] == "certificate.kept"]
    assert why in kept["error"]
    assert (kept["log_level"], kept["expires"]) == ("error", before.credentials.not_after.isoformat())


async def test_one_whose_time_comes_is_taken_then(site: Site) -> None:
    async with site.following():
        site.put(at=PKI.now + 0.5 * DAY)
        await until(lambda: site.told[1:] == [None], "the refusal")
        site.at += 0.5 * DAY
        await until(lambda: len(site.told) == 3, "the new generation")
    assert site.files.generation().number == 2
