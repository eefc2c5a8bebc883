"""Proxies get their certificates from an identity service, and renew them while everything runs."""

import asyncio
import hashlib
import random
import signal
from pathlib import Path

import pytest

from certs.verification import peer_chain
from process.address import Address
from tests.flows.test_both_ends_from_files import echo
from tests.support.issuing import Issuing, asked, issuing, metric
from tests.support.pki import Pki
from tests.support.processes import Running, until
from tests.support.tls_peer import TlsPeer, context
from tests.support.tunnelled import CLIENT, GATEWAY, backend, routes_toml, targets_toml

QUICK = ("--rotation-spread", "0.5", "--log-level", "debug")


async def start_gateway(site: Issuing, endpoint: str, *more: str, ready: bool = True) -> Running:
    routes = site.directory / "routes.toml"
    routes.write_text(routes_toml(endpoint))
    return await site.processes.start(
        *(
            "gateway",
            "--routes",
            str(routes),
            "--listen",
            f"{site.host}:4143",
            "--admin",
            f"{site.host}:9990",
        ),
        *(await site.flags(GATEWAY)),
        *QUICK,
        *more,
        ready=ready,
    )


async def start_outbound(site: Issuing, *, ready: bool = True) -> Running:
    targets = site.directory / "targets.toml"
    identity = site.pki.identity(GATEWAY).dns_name
    targets.write_text(targets_toml([f"{site.host}:4143"], identity, listen=f"{site.host}:7001"))
    return await site.processes.start(
        *("outbound", "--targets", str(targets), "--admin", f"{site.host}:9991"),
        *(await site.flags(CLIENT)),
        *QUICK,
        ready=ready,
    )


async def start_mirror(site: Issuing, *, ready: bool = True) -> Running:
    return await site.processes.start(
        *("mirror", "--kubeconfig", str(site.kubeconfig), "--admin", f"{site.host}:9992"),
        *(await site.flags("jackstay-mirror.jackstay")),
        "--allow-loopback",
        ready=ready,
    )


async def shown(site: Issuing) -> bytes:
    """The leaf that the gateway shows to whoever comes now."""
    address = Address(site.host, 4143)
    peer = await TlsPeer.to(address, context(site.pki, CLIENT, alpn=("jackstay/1",)), "")
    try:
        return peer_chain(peer.tls)[0]
    finally:
        peer.sock.close()


class Application:
    """Calls through the outbound proxy: one stream that goes on and on, and new ones all the time."""

    def __init__(self, host: str) -> None:
        self._host = host
        self._done = asyncio.Event()
        self._block = random.Random(6).randbytes(50_000)
        self.calls = 0
        self.sent = 0

    async def call(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(self._host, 7001)

    async def is_served(self) -> None:
        reader, writer = await self.call()
        writer.write(b"on")
        assert await reader.readexactly(2) == b"on"
        writer.close()

    async def one_long_stream(self) -> bool:
        """Whether all came back that was sent, until `finish`."""
        reader, writer = await self.call()
        there, back = hashlib.sha256(), hashlib.sha256()

        async def feed() -> None:
            while not self._done.is_set():
                there.update(self._block)
                writer.write(self._block)
                await writer.drain()
                self.sent += len(self._block)
            writer.write_eof()

        async def drink() -> None:
            while data := await reader.read(2**16):
                back.update(data)

        await asyncio.gather(feed(), drink())
        writer.close()
        return there.digest() == back.digest()

    async def short_ones(self) -> None:
        """Raises if a single one does not come back whole."""
        while not self._done.is_set():
            reader, writer = await self.call()
            word = b"%d" % self.calls
            writer.write(word)
            writer.write_eof()
            assert await reader.read() == word
            writer.close()
            self.calls += 1

    def finish(self) -> None:
        self._done.set()


async def test_renewals_at_both_ends_while_all_goes_on_lose_nothing(tmp_path: Path) -> None:
    async with backend(echo) as one, issuing(tmp_path) as site:
        identity = await site.start_identity()
        gateway = await start_gateway(site, one.address)
        outbound = await start_outbound(site)
        assert gateway.ready["identity"] == site.pki.identity(GATEWAY).dns_name
        assert outbound.ready["identity"] == site.pki.identity(CLIENT).dns_name
        application = Application(site.host)
        leaves = {await shown(site)}
        async with asyncio.TaskGroup() as tasks:
            whole = tasks.create_task(application.one_long_stream())
            calling = [tasks.create_task(application.short_ones()) for _ in range(3)]
            for generation in range(2, 7):
                for end in (gateway, outbound):
                    assert await asked(end.ready["admin"], "POST", "/renew") == (202, "renewing\n")
                for end in (gateway, outbound):
                    await end.logged("certificate.loaded", generation=generation)
                leaves.add(await shown(site))
                seen = application.calls, application.sent, len(gateway.events("tunnel.closed"))
                await until(
                    lambda seen=seen: (
                        application.calls > seen[0] + 20
                        and application.sent > seen[1]
                        and len(gateway.events("tunnel.closed")) > seen[2]
                    ),
                    f"calls, bytes and tunnels under generation {generation}",
                )
            application.finish()
        assert whole.result()
        assert all(task.exception() is None for task in calling)
        assert len(leaves) == 6
        for end in (gateway, outbound):
            assert await metric(end.ready["admin"], "identity_cert_refreshes_total", result="ok") == 6
            assert await metric(end.ready["admin"], "identity_cert_refreshes_total", result="error") == 0
            assert await metric(end.ready["admin"], "identity_cert_refresh_timestamp_seconds")
            await end.logged("connection.closed", count=application.calls + 1, ending="finished")
            assert {event["ending"] for event in end.events("connection.closed")} == {"finished"}
        issued = identity.events("identity.issued")
        assert len(issued) == 12
        assert len({event["sha256"] for event in issued}) == 12


async def test_who_has_no_certificate_yet_lives_and_is_not_ready_and_goes_on_when_it_comes(
    tmp_path: Path,
) -> None:
    async with backend(echo) as one, issuing(tmp_path) as site:
        waiting = [
            (await start_gateway(site, one.address, "--probe", f"{site.host}:4191", ready=False), 9990),
            (await start_outbound(site, ready=False), 9991),
            (await start_mirror(site, ready=False), 9992),
        ]
        for running, port in waiting:
            (awaited,) = await running.logged("certificate.awaited")
            assert f"the identity service at {site.listen} cannot be asked" in awaited["error"]
            admin = f"{site.host}:{port}"
            assert await asked(admin, "GET", "/live") == (200, "live\n")
            status, said = await asked(admin, "GET", "/ready")
            assert (status, said.startswith("not ready: certificate, ")) == (503, True)
            assert await metric(admin, "identity_cert_expiration_timestamp_seconds") is None
        assert (await asked(f"{site.host}:4191", "GET", "/ready"))[0] == 503
        for port in (4143, 7001):
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection(site.host, port)
        await site.start_identity()
        for running, port in waiting:
            await running.logged("certificate.loaded", generation=1)
            await until(lambda running=running: any("ready" in e["event"] for e in running.events()), "ready")
            admin = f"{site.host}:{port}"
            assert await asked(admin, "GET", "/ready") == (200, "ready\n")
            assert len(running.events("certificate.awaited")) == 1, "once for each reason"
            assert await metric(admin, "identity_cert_expiration_timestamp_seconds")
        for running, port in waiting:
            assert await asked(f"{site.host}:{port}", "POST", "/renew") == (202, "renewing\n")
            await running.logged("certificate.loaded", generation=2)
            assert await metric(f"{site.host}:{port}", "identity_cert_refreshes_total", result="ok") == 2
        await Application(site.host).is_served()
        assert (await asked(f"{site.host}:4191", "GET", "/ready"))[0] == 200


@pytest.mark.parametrize("workers", [(), ("--workers", "2")], ids=["one process", "workers"])
async def test_who_waits_for_a_certificate_ends_when_it_is_asked_to(
    tmp_path: Path, workers: tuple[str, ...]
) -> None:
    async with issuing(tmp_path) as site:
        waiting = [
            await start_gateway(site, "127.0.0.1:9", *workers, ready=False),
            await start_outbound(site, ready=False),
            await start_mirror(site, ready=False),
        ]
        for running in waiting:
            await running.logged("certificate.awaited")
        for running in waiting:
            running.signal(signal.SIGTERM)
        for running in waiting:
            assert await running.ended() == 0, running.tail()
            assert await running.logged("certificate.not_awaited")


async def test_each_worker_has_a_certificate_of_its_own_and_the_supervisor_none(tmp_path: Path) -> None:
    async with backend(echo) as one, issuing(tmp_path) as site:
        gateway = await start_gateway(site, one.address, "--workers", "2", ready=False)
        await gateway.logged("certificate.awaited", worker=0)
        await gateway.logged("certificate.awaited", worker=1)
        admin = f"{site.host}:9990"
        status, said = await asked(admin, "GET", "/ready")
        assert status == 503
        assert "worker 0: certificate" in said
        assert "worker 1: certificate" in said
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(site.host, 4143)
        identity = await site.start_identity()
        (ready,) = await gateway.logged("gateway.ready", workers=2)
        assert ready["identity"] == site.pki.identity(GATEWAY).dns_name
        assert await asked(admin, "GET", "/ready") == (200, "ready\n")
        assert len(identity.events("identity.issued")) == 2
        outbound = await start_outbound(site)
        await outbound.logged("certificate.loaded")
        assert await asked(admin, "POST", "/renew") == (202, "renewing\n")
        for worker in (0, 1):
            await gateway.logged("certificate.loaded", worker=worker, generation=2)
        assert await metric(admin, "identity_cert_refreshes_total", result="ok") == 4
        await Application(site.host).is_served()


async def test_anchors_that_are_added_and_taken_away_are_followed_by_all(tmp_path: Path) -> None:
    async with backend(echo) as one, issuing(tmp_path) as site:
        await site.start_identity()
        gateway = await start_gateway(site, one.address)
        outbound = await start_outbound(site)
        other = Pki.make()
        site.anchors.write_bytes(site.pki.anchors_pem + other.anchors_pem)
        for end in (gateway, outbound):
            trusting = await end.logged("certificate.loaded", generation=2)
            await end.logged("certificate.loaded", generation=3, trust_anchors=trusting[0]["trust_anchors"])
            assert await metric(end.ready["admin"], "identity_cert_refreshes_total", result="ok") == 2
        await Application(site.host).is_served()


async def test_a_service_that_goes_away_costs_nothing_until_it_is_back(tmp_path: Path) -> None:
    async with backend(echo) as one, issuing(tmp_path) as site:
        identity = await site.start_identity()
        gateway = await start_gateway(site, one.address)
        await start_outbound(site)
        identity.signal(signal.SIGKILL)
        await identity.ended()
        assert (await asked(gateway.ready["admin"], "POST", "/renew"))[0] == 202
        (failed,) = await gateway.logged("certificate.not_renewed")
        assert "Connection refused" in failed["error"]
        reader, writer = await Application(site.host).call()
        writer.write(b"on")
        assert await reader.readexactly(2) == b"on"
        await site.start_identity()
        await gateway.logged("certificate.loaded", generation=2)
        writer.write(b"on")
        assert await reader.readexactly(2) == b"on"
        writer.close()


async def test_with_files_the_same_request_reads_them_anew(tmp_path: Path) -> None:
    async with backend(echo) as one, issuing(tmp_path) as site:
        files = site.pki.leaf(GATEWAY).write(tmp_path, "gateway")
        (tmp_path / "routes.toml").write_text(routes_toml(one.address))
        gateway = await site.processes.start(
            *("gateway", "--routes", str(tmp_path / "routes.toml"), *files.flags),
            *("--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"),
        )
        assert (await asked(gateway.ready["admin"], "POST", "/renew"))[0] == 202
        await gateway.logged("certificate.loaded", generation=2)
