"""The identity service says what it uses through a whole rotation, whoever makes its own certificate."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from certs import anchors
from cli.rotation.reading import look
from cli.rotation.seen import Held, Seen
from cli.rotation.verdict import needing, status
from process.address import Address
from process.files import write_atomically
from tests.support.cluster import local_cluster
from tests.support.pki import Pki
from tests.support.processes import processes

NEW = Pki.make()
OLD = Pki.make(now=NEW.now - timedelta(hours=1))
BOTH = anchors.of((OLD.root.certificate, NEW.root.certificate))
OLD_FP, NEW_FP = (anchors.fingerprint(pki.root.certificate) for pki in (OLD, NEW))
OWN = "jackstay-identity.jackstay"


def one(seen: Seen) -> Held:
    (process,) = seen.processes
    assert process.held is not None, process.silent
    return process.held


async def seen_until(admin: str, condition: Callable[[Held], bool]) -> Seen:
    async with asyncio.timeout(60):
        while not condition(one(seen := await look([], [Address.parse(admin)], patience=5.0))):  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    return seen


@pytest.mark.parametrize("own", ["files", "itself"])
async def test_it_says_what_it_uses_at_each_step(tmp_path: Path, own: str) -> None:
    def issuer(pki: Pki) -> None:
        write_atomically(tmp_path / "issuer.key", pki.issuer.key_pem, overwrite=True)
        write_atomically(tmp_path / "issuer.crt", pki.issuer.pem, overwrite=True)

    issuer(OLD)
    files = OLD.leaf(OWN).write(tmp_path, "own")
    shown = ("--certificate", str(files.certificate), "--key", str(files.key)) if own == "files" else ()
    async with local_cluster() as cluster, processes(tmp_path) as started:
        (tmp_path / "kubeconfig").write_bytes(cluster.kubeconfig)
        service = await started.start(
            *("identity", "--kubeconfig", str(tmp_path / "kubeconfig"), *shown),
            *(
                "--issuer-certificate",
                str(tmp_path / "issuer.crt"),
                "--issuer-key",
                str(tmp_path / "issuer.key"),
            ),
            *(
                "--trust-anchors",
                str(files.trust_anchors),
                "--listen",
                "127.0.0.1:0",
                "--admin",
                "127.0.0.1:0",
            ),
        )
        admin = str(service.ready["admin"])
        held = one(await seen_until(admin, lambda held: bool(held.issuer_anchors)))
        assert (held.bundles, held.issuer_anchors) == (frozenset({OLD.bundle.digest}), frozenset({OLD_FP}))

        write_atomically(files.trust_anchors, BOTH.pem, overwrite=True)
        begun = await seen_until(admin, lambda held: held.bundles == {BOTH.digest})
        assert status(begun).everywhere
        assert any("issues under the old anchor" in said for said in needing(OLD_FP, begun))

        issuer(NEW)
        if own == "files":
            NEW.leaf(OWN).write(tmp_path, "new")
            for name in ("key", "crt"):
                write_atomically(
                    tmp_path / f"own.{name}", (tmp_path / f"new.{name}").read_bytes(), overwrite=True
                )
        done = await seen_until(admin, lambda held: held.issuer_anchors == held.leaf_anchors == {NEW_FP})
        assert needing(OLD_FP, done) == []

        write_atomically(files.trust_anchors, NEW.bundle.pem, overwrite=True)
        assert status(await seen_until(admin, lambda held: held.bundles == {NEW.bundle.digest})).complete
