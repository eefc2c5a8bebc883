"""
An API server that fails as they fail: in front of a real one, with another certificate and the same answers.

What it does to a request is what `Faulty.fault` says at that moment.
"""

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import yaml
from aiohttp import web

from benchmarks.programs import own_host
from certs.authority import chain_pem, make_issuer, make_leaf, make_root
from certs.credentials import key_pem
from certs.identity import Identity
from cluster.access import Access

SLOW = 2.0
"""Seconds that a slow answer takes."""

STATUSES = {"410 Gone": 410, "429 with Retry-After": 429, "500": 500, "401, the token has expired": 401}

FAULTS = ("answers after 2 s", "watches cut inside an event", *STATUSES)


class Faulty:
    """Passes requests on to the server of *access*, as its holder."""

    def __init__(self, access: Access, directory: Path) -> None:
        self.fault = ""
        """One of FAULTS, or "" for none."""

        self._access = access
        self._directory = directory
        self.kubeconfig = b""

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        host = own_host()
        context = ssl.create_default_context(cadata=(self._access.ca_data or b"").decode())
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context, limit=0)) as session:
            self._session = session
            app = web.Application()
            app.router.add_route("*", "/{path:.*}", self._handle)
            runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
            await runner.setup()
            try:
                await web.TCPSite(runner, host, 6443, ssl_context=self._certificate()).start()
                self._write_kubeconfig(f"https://{host}:6443")
                yield
            finally:
                await runner.cleanup()

    def _certificate(self) -> ssl.SSLContext:
        now = datetime.now(UTC)
        root = make_root("faulty.benchmark", now=now)
        issuer = make_issuer("issuer.benchmark", root, now=now, trust_domain="benchmark")
        chain, key = make_leaf(Identity("api", "faulty", "faulty", "benchmark"), issuer, now=now)
        (self._directory / "faulty.crt").write_bytes(chain_pem(*chain))
        (self._directory / "faulty.key").write_bytes(key_pem(key))
        (self._directory / "faulty-root.crt").write_bytes(root.pem)
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self._directory / "faulty.crt", self._directory / "faulty.key")
        return context

    def _write_kubeconfig(self, url: str) -> None:
        ca = base64.b64encode((self._directory / "faulty-root.crt").read_bytes()).decode()
        name = Identity("api", "faulty", "faulty", "benchmark").dns_name
        cluster = {"server": url, "certificate-authority-data": ca, "tls-server-name": name}
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "east", "cluster": cluster}],
            "users": [{"name": "admin", "user": {"token": self._access.token}}],
            "contexts": [{"name": "east", "context": {"cluster": "east", "user": "admin"}}],
            "current-context": "east",
        }
        self.kubeconfig = yaml.safe_dump(document).encode()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        fault = self.fault
        if status := STATUSES.get(fault):
            headers = {"Retry-After": "1"} if status == 429 else {}
            return web.json_response({"kind": "Status", "code": status}, status=status, headers=headers)
        if fault == FAULTS[0]:
            await asyncio.sleep(SLOW)
        headers = {"Authorization": request.headers.get("Authorization", ""), "Accept": "application/json"}
        url = f"{self._access.server}{request.path_qs}"
        async with self._session.request(
            request.method, url, headers=headers, data=await request.read(), timeout=aiohttp.ClientTimeout()
        ) as answer:
            passed = web.StreamResponse(status=answer.status)
            passed.content_type = answer.content_type
            await passed.prepare(request)
            try:
                async for chunk in answer.content.iter_any():
                    if "watch" in request.query and self.fault != fault:
                        break  # a fault that has begun or ended does so for watches that run, too
                    if fault == FAULTS[1] and "watch" in request.query and len(chunk) > 1:
                        await passed.write(chunk[: len(chunk) // 2])
                        break
                    await passed.write(chunk)
            except (aiohttp.ClientError, ConnectionError):
                pass
            return passed
