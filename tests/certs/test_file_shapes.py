"""
The ways in which others write certificates for us, followed as they happen: Kubernetes' symlinks,
cert-manager's Secret, a SPIFFE helper that replaces its files one after the other.
"""

import asyncio
import functools
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from certs import files
from certs.credentials import InvalidCredentials
from certs.files import CertificateFiles
from certs.generation import Generation
from certs.refresh_metrics import RefreshMetrics
from certs.trust_bundle import InvalidTrustBundle
from process.files import changes
from tests.support.pki import ALPN, Issued, Pki
from tests.support.processes import until

PKI, OTHER = Pki.make(), Pki.make()

CERT_MANAGER = ("tls.crt", "tls.key", "ca.crt")
SPIFFE_HELPER = ("svid.pem", "svid_key.pem", "svid_bundle.pem")


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_AGAIN_EVERY", 0.01)
    monkeypatch.setattr(files, "changes", functools.partial(changes, every=0.01))


class Volume:
    """A Secret as the kubelet mounts it: files are links into ..data, which is a link that is swapped."""

    def __init__(self, directory: Path, names: Sequence[str]) -> None:
        self.directory = directory
        self.names = names
        self._count = 0

    def put(self, *contents: bytes) -> None:
        """All files at once, as the kubelet's AtomicWriter does it: they change in one rename."""
        self._count += 1
        fresh = self.directory / f"..2026_01_01_00_00_00.{self._count:09}"
        fresh.mkdir()
        for name, content in zip(self.names, contents, strict=True):
            (fresh / name).write_bytes(content)
            if not (self.directory / name).is_symlink():
                (self.directory / name).symlink_to(Path("..data") / name)
        (self.directory / "..data_tmp").symlink_to(fresh.name)
        data = self.directory / "..data"
        before = data.resolve() if data.is_symlink() else None
        (self.directory / "..data_tmp").rename(data)
        if before is not None:
            for left in before.iterdir():
                left.unlink()
            before.rmdir()


class Follower:
    """Whoever follows three files, what it was told and what it counts."""

    def __init__(self, directory: Path, names: Sequence[str]) -> None:
        certificate, key, anchors = (directory / name for name in names)
        self.files = CertificateFiles(certificate, key, anchors, alpn=ALPN)
        self.told: list[Generation | None] = []
        self.registry = CollectorRegistry()
        self._metrics = RefreshMetrics(self.registry)

    def _hear(self, generation: Generation | None) -> None:
        self.told.append(generation)
        self._metrics.told(generation)

    @asynccontextmanager
    async def following(self) -> AsyncIterator[list[Any]]:
        with capture_logs() as said:
            task = asyncio.create_task(self.files.follow(self._hear))
            await until(lambda: self.told, "the start")
            yield said
            task.cancel()

    def shows(self, issued: Issued) -> bool:
        return self.files.generation().credentials == issued.credentials

    async def takes(self, issued: Issued) -> None:
        await until(lambda: self.shows(issued), "the new set")

    def refreshes(self, result: str) -> float | None:
        return self.registry.get_sample_value("identity_cert_refreshes_total", {"result": result})


def contents(issued: Issued, anchors: bytes = PKI.anchors_pem) -> tuple[bytes, bytes, bytes]:
    return issued.certificate_pem, issued.key_pem, anchors


async def test_the_kubelet_s_swap_is_one_new_set(tmp_path: Path) -> None:
    first, second, third = (PKI.leaf("web.test") for _ in range(3))
    volume = Volume(tmp_path, CERT_MANAGER)
    volume.put(*contents(first))
    follower = Follower(tmp_path, CERT_MANAGER)
    async with follower.following() as said:
        volume.put(*contents(second))
        await follower.takes(second)
        volume.put(*contents(third))
        await follower.takes(third)
    assert [generation.number for generation in follower.told if generation] == [1, 2, 3]
    assert None not in follower.told, "it never sees half of a set"
    assert not [line for line in said if line["log_level"] == "error"]
    assert (follower.refreshes("ok"), follower.refreshes("error")) == (3, 0)


async def test_cert_manager_s_secret_rotates_its_anchor_with_the_leaf(tmp_path: Path) -> None:
    volume = Volume(tmp_path, CERT_MANAGER)
    volume.put(*contents(PKI.leaf("web.test")))
    follower = Follower(tmp_path, CERT_MANAGER)
    async with follower.following():
        other = OTHER.leaf("web.test")
        volume.put(*contents(other, OTHER.anchors_pem))
        await follower.takes(other)
        assert follower.files.generation().bundle == OTHER.bundle
    assert None not in follower.told


async def test_cert_manager_s_secret_with_its_anchor_in_the_chain_too(tmp_path: Path) -> None:
    leaf = PKI.leaf("web.test")
    Volume(tmp_path, CERT_MANAGER).put(leaf.certificate_pem + PKI.anchors_pem, leaf.key_pem, PKI.anchors_pem)
    assert Follower(tmp_path, CERT_MANAGER).files.generation().credentials.identity == leaf.identity


@pytest.mark.parametrize("order", list(permutations(range(3))), ids=str)
async def test_files_replaced_one_after_the_other_are_taken_once_they_match(
    tmp_path: Path, order: tuple[int, ...]
) -> None:
    first, second = PKI.leaf("web.test"), OTHER.leaf("web.test")
    for name, content in zip(SPIFFE_HELPER, contents(first), strict=True):
        (tmp_path / name).write_bytes(content)
    follower = Follower(tmp_path, SPIFFE_HELPER)
    wanted = contents(second, OTHER.anchors_pem)
    async with follower.following() as said:
        for number in order[:2]:
            (tmp_path / SPIFFE_HELPER[number]).write_bytes(wanted[number])
            refused = follower.told.count(None)
            await until(lambda refused=refused: follower.told.count(None) > refused, "a verdict")
            assert follower.shows(first), "the old set is kept while the new one is not whole"
            assert follower.files.generation().bundle == PKI.bundle
        (tmp_path / SPIFFE_HELPER[order[2]]).write_bytes(wanted[order[2]])
        await follower.takes(second)
    assert follower.files.generation().bundle == OTHER.bundle
    kept = [line for line in said if line["event"] == "certificate.kept"]
    assert kept
    assert all(str(tmp_path) in line["error"] for line in kept)
    assert follower.refreshes("error") == len(kept)
    assert follower.refreshes("ok") == 2


async def test_a_key_that_is_half_written_is_not_taken_and_its_rest_is(tmp_path: Path) -> None:
    first, second = PKI.leaf("web.test"), PKI.leaf("web.test")
    for name, content in zip(SPIFFE_HELPER, contents(first), strict=True):
        (tmp_path / name).write_bytes(content)
    follower = Follower(tmp_path, SPIFFE_HELPER)
    async with follower.following() as said:
        (tmp_path / "svid.pem").write_bytes(second.certificate_pem)
        (tmp_path / "svid_key.pem").write_bytes(second.key_pem[:100])
        await until(lambda: follower.told.count(None) > 0, "the refusal")
        assert follower.shows(first)
        with (tmp_path / "svid_key.pem").open("ab") as rest:
            rest.write(second.key_pem[100:])
        await follower.takes(second)
    assert any("svid_key.pem" in line["error"] for line in said if line["event"] == "certificate.kept")


async def test_a_set_that_is_taken_away_keeps_the_old_one_until_another_is_there(tmp_path: Path) -> None:
    first, second = PKI.leaf("web.test"), PKI.leaf("web.test")
    volume = Volume(tmp_path, CERT_MANAGER)
    volume.put(*contents(first))
    follower = Follower(tmp_path, CERT_MANAGER)
    async with follower.following() as said:
        (tmp_path / "..data").unlink()
        await until(lambda: None in follower.told, "the refusal")
        assert follower.shows(first)
        volume.put(*contents(second))
        await follower.takes(second)
    (kept,) = [line for line in said if line["event"] == "certificate.kept"]
    assert "No such file" in kept["error"]


async def test_files_that_are_renamed_into_place_with_the_same_length_and_time_are_noticed(
    tmp_path: Path,
) -> None:
    first, second = PKI.leaf("web.test"), PKI.leaf("web.test")
    for name, content in zip(CERT_MANAGER, contents(first), strict=True):
        (tmp_path / name).write_bytes(content)
    follower = Follower(tmp_path, CERT_MANAGER)
    async with follower.following():
        for name, content in zip(CERT_MANAGER, contents(second), strict=True):
            stat = (tmp_path / name).stat()
            (tmp_path / "new").write_bytes(content)
            os.utime(tmp_path / "new", ns=(stat.st_atime_ns, stat.st_mtime_ns))
            (tmp_path / "new").rename(tmp_path / name)
        await follower.takes(second)


@pytest.mark.parametrize("number", range(3), ids=SPIFFE_HELPER)
@pytest.mark.parametrize(
    "content",
    [b"", b"\x30\x82\x01\x00", b"-----BEGIN CERTIFICATE-----\nx", b"not PEM", OTHER.issuer.pem],
    ids=["empty", "DER", "cut off", "text", "somebody else's"],
)
async def test_what_is_broken_is_said_to_be_and_not_begun_with(
    tmp_path: Path, number: int, content: bytes
) -> None:
    first = PKI.leaf("web.test")
    for name, whole in zip(SPIFFE_HELPER, contents(first), strict=True):
        (tmp_path / name).write_bytes(whole)
    follower = Follower(tmp_path, SPIFFE_HELPER)
    async with follower.following() as said:
        (tmp_path / SPIFFE_HELPER[number]).write_bytes(content)
        await until(lambda: None in follower.told, "the refusal")
        assert follower.shows(first)
    (kept,) = [line for line in said if line["event"] == "certificate.kept"]
    assert SPIFFE_HELPER[number] in kept["error"]
    assert follower.refreshes("error") == 1
    with pytest.raises((InvalidCredentials, InvalidTrustBundle), match=SPIFFE_HELPER[number]):
        Follower(tmp_path, SPIFFE_HELPER)


async def test_a_request_to_renew_reads_what_looks_the_same(tmp_path: Path) -> None:
    Volume(tmp_path, CERT_MANAGER).put(*contents(PKI.leaf("web.test")))
    follower = Follower(tmp_path, CERT_MANAGER)
    await follower.files.first()
    assert follower.files.identity == PKI.identity("web.test").dns_name
    async with follower.following():
        follower.files.renew()
        await until(lambda: len(follower.told) == 2, "another look")
    assert follower.refreshes("ok") == 1, "the certificate is the same"
