"""
The trust anchor of two gateways and two outbound proxies is replaced by `certs rotate`, and nobody notices.

All the while new connections are made and one stream runs through each proxy; none fails, no byte is lost.
Each step of the way is refused before its time.
"""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from certs import anchors
from certs.trust_bundle import TrustBundle
from cli.errors import CliError
from process.files import write_atomically
from tests.cli.test_certs import run
from tests.flows.test_both_ends_from_files import echo
from tests.support.pki import Paths, Pki
from tests.support.processes import Processes, Running, processes
from tests.support.tunnelled import (
    CLIENT,
    GATEWAY,
    backend,
    is_reset,
    routes_toml,
    start_gateway,
    start_outbound,
    targets_toml,
)

NEW = Pki.make()
OLD = Pki.make(now=NEW.now - timedelta(hours=1))
OLD_FP = anchors.fingerprint(OLD.root.certificate)
NEW_FP = anchors.fingerprint(NEW.root.certificate)
QUICK = ("--rotation-spread", "0.2", "--log-level", "debug")
ENDS = ("gateway-a", "gateway-b", "proxy-a", "proxy-b")


@dataclass
class Load:
    """What applications do all the time, and how it went."""

    entrances: list[tuple[str, int]]
    connected: int = 0
    failed: list[str] = field(default_factory=list)
    sent: "list[hashlib._Hash]" = field(default_factory=list)
    heard: "list[hashlib._Hash]" = field(default_factory=list)
    streamed: list[int] = field(default_factory=list)
    ending: bool = False

    async def connections(self, entrance: tuple[str, int]) -> None:
        """One new connection after the other."""
        while not self.ending:
            word = b"word %d" % self.connected
            try:
                reader, writer = await asyncio.open_connection(*entrance)
                writer.write(word)
                writer.write_eof()
                if (answer := await reader.read()) != word:
                    self.failed.append(f"{word!r} was answered by {answer!r}")
                writer.close()
            except OSError as error:
                self.failed.append(repr(error))
            self.connected += 1

    async def stream(self, number: int, entrance: tuple[str, int]) -> None:
        """One connection that outlasts everything, a block after the other and each answered."""
        reader, writer = await asyncio.open_connection(*entrance)
        try:
            while not self.ending:
                block = self.streamed[number].to_bytes(8, "big") * 512
                writer.write(block)
                self.sent[number].update(block)
                self.heard[number].update(await reader.readexactly(len(block)))
                self.streamed[number] += 1
            writer.write_eof()
            self.heard[number].update(await reader.read())
            writer.close()
        except (OSError, asyncio.IncompleteReadError) as error:
            self.failed.append(f"stream {number} after {self.streamed[number]} blocks: {error!r}")

    async def goes_on(self) -> None:
        """Return once everything has moved further: connections and each stream."""
        before = self.connected, *self.streamed
        while not all(
            now > then + 5 for now, then in zip((self.connected, *self.streamed), before, strict=True)
        ):
            assert not self.failed
            await asyncio.sleep(0.01)


@asynccontextmanager
async def load(*entrances: tuple[str, int]) -> AsyncIterator[Load]:
    """Within the block there is load; when it is left all of it has gone well."""
    one = Load(list(entrances))
    for kept in (one.sent, one.heard):
        kept += [hashlib.sha256() for _ in entrances]
    one.streamed += [0 for _ in entrances]
    async with asyncio.TaskGroup() as tasks:
        for number, entrance in enumerate(entrances):
            tasks.create_task(one.stream(number, entrance))
            tasks.create_task(one.connections(entrance))
        try:
            yield one
        finally:
            one.ending = True
    assert one.failed == []
    assert [sent.digest() for sent in one.sent] == [heard.digest() for heard in one.heard]
    assert all(blocks > 0 for blocks in one.streamed)


@dataclass
class Ends:
    """Two gateways (one of two workers) and two proxies, each with files of its own."""

    directory: Path
    files: dict[str, Paths]
    running: dict[str, Running]

    @property
    def admin(self) -> list[str]:
        return [word for one in ENDS for word in ("--admin", str(self.running[one].ready["admin"]))]

    def entrance(self, end: str) -> tuple[str, int]:
        host, _, port = self.running[end].ready["listen"][0].rpartition(":")
        return host, int(port)

    def trust(self, bundle: bytes, *ends: str) -> None:
        for end in ends or ENDS:
            write_atomically(self.files[end].trust_anchors, bundle, overwrite=True)

    def prove(self, pki: Pki, end: str) -> None:
        """A new leaf; the anchors stay as they are."""
        paths, issued = self.files[end], pki.leaf(GATEWAY if end.startswith("gateway") else CLIENT)
        write_atomically(paths.key, issued.key_pem, overwrite=True)
        write_atomically(paths.certificate, issued.certificate_pem, overwrite=True)

    async def rotate(self, *arguments: object) -> Result:
        return await asyncio.to_thread(run, "rotate", *arguments)

    async def status(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((await self.rotate("status", *self.admin, "-o", "json")).stdout)
        return found

    async def until(self, condition: Callable[[dict[str, Any]], bool]) -> None:
        async with asyncio.timeout(60):
            while not condition(await self.status()):  # noqa: ASYNC110
                await asyncio.sleep(0.1)

    async def until_under(self, anchor: str, count: int) -> None:
        """So many processes have their leaf under *anchor*."""
        await self.until(
            lambda found: sum(one["leafAnchors"] == [anchor] for one in found["processes"]) == count
        )

    async def refused(self, *arguments: object) -> str:
        with pytest.raises(CliError) as refused:
            await self.rotate("finish", "--old-anchor", OLD_FP[:16], *self.admin, *arguments)
        return str(refused.value)


@asynccontextmanager
async def ends(directory: Path, started: Processes, backend_at: str) -> AsyncIterator[Ends]:
    (directory / "routes.toml").write_text(routes_toml(backend_at))
    files = {
        end: OLD.leaf(GATEWAY if end.startswith("gateway") else CLIENT).write(directory, end) for end in ENDS
    }
    running = {
        "gateway-a": await start_gateway(started, directory, files["gateway-a"], *QUICK, "--workers", "2"),
        "gateway-b": await start_gateway(started, directory, files["gateway-b"], *QUICK),
    }
    doors = [str(gateway.ready["listen"]) for gateway in running.values()]
    (directory / "targets.toml").write_text(targets_toml(doors, OLD.identity(GATEWAY).dns_name))
    for end in ("proxy-a", "proxy-b"):
        running[end] = await start_outbound(started, directory, files[end], *QUICK)
    yield Ends(directory, files, running)


async def test_an_anchor_is_replaced_under_load_and_nothing_is_lost(tmp_path: Path) -> None:
    (tmp_path / "new.crt").write_bytes(NEW.anchors_pem)
    present = tmp_path / "present.crt"
    present.write_bytes(OLD.anchors_pem)
    async with (
        backend(echo) as one,
        processes(tmp_path) as started,
        ends(tmp_path, started, one.address) as there,
        load(there.entrance("proxy-a"), there.entrance("proxy-b")) as busy,
    ):
        await busy.goes_on()
        assert "nobody holds another anchor" in await there.refused()

        given = ("--trust-anchors", present, "-o", "pem")
        both = (await there.rotate("begin", "--new-anchor", tmp_path / "new.crt", *given)).stdout.encode()
        there.trust(both, *ENDS[:3])
        await there.until(lambda found: [p["bundles"] for p in found["processes"]].count([digest(both)]) == 3)
        assert (await there.status())["newestHeldByAll"] is False
        assert f"does not hold anchor {NEW_FP[:12]} yet" in await there.refused()
        there.trust(both)
        present.write_bytes(both)
        await there.until(lambda found: found["newestHeldByAll"])
        assert (await there.status())["complete"] is False
        await busy.goes_on()

        needing = list(ENDS)
        for end in ENDS:
            said = await there.refused()
            assert said.count("has a leaf under the old anchor") == len(needing), said
            there.prove(NEW, end)
            needing.remove(end)
            await there.until_under(NEW_FP, len(ENDS) - len(needing))
            await busy.goes_on()
        assert (await there.rotate("status", *there.admin)).exit_code == 0

        finishing = ("finish", "--old-anchor", OLD_FP, *there.admin)
        alone = (await there.rotate(*finishing, *given)).stdout.encode()
        assert alone == NEW.bundle.pem
        there.trust(alone, *ENDS[:1])
        await there.until(lambda found: [NEW.bundle.digest] in [p["bundles"] for p in found["processes"]])
        assert "still in use by" in await there.refused()
        there.trust(alone)
        await there.until(lambda found: all(p["anchors"] == [NEW_FP] for p in found["processes"]))
        assert (await there.rotate("status", *there.admin)).exit_code == 0
        await busy.goes_on()

        old = OLD.leaf(CLIENT).write(tmp_path, "left-behind")
        old.trust_anchors.write_bytes(both)
        left_behind = await start_outbound(started, tmp_path, old)
        host, _, port = left_behind.ready["listen"][0].rpartition(":")
        await is_reset((host, int(port)), b"let me in")
        refused = [
            event
            for gateway in ENDS[:2]
            for event in there.running[gateway].events("peer.refused")
            if event["reason"] == "untrusted"
        ]
        assert refused
        await busy.goes_on()


def digest(pem: bytes) -> str:
    return TrustBundle.from_pem(pem).digest
