"""Requests to an identity service: the same one again and again, over kept or new connections."""

import asyncio
import contextlib
import json
import ssl
import time
from dataclasses import dataclass

import uvloop

Place = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Ask:
    """What is asked, of whom, and how."""

    place: Place
    anchors: str
    """Who may vouch for the service, PEM."""

    name: str
    """The identity that the service has to prove."""

    body: bytes
    connections: int
    seconds: float
    kept: bool
    """Whether a connection is used again; proxies make a new one for each renewal."""

    @property
    def request(self) -> bytes:
        ending = "keep-alive" if self.kept else "close"
        head = (
            f"POST /v1/certify HTTP/1.1\r\nHost: identity\r\nConnection: {ending}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(self.body)}\r\n\r\n"
        )
        return head.encode() + self.body


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came back."""

    issued: int
    wrong: int
    seconds: float
    chain: str
    """The last one issued, PEM."""


def measure(ask: Ask) -> Outcome:
    """Ask for as long as *ask* says. An answer that is not a certificate is a wrong one."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_measure(ask))


async def _measure(ask: Ask) -> Outcome:
    began = time.monotonic()
    end = began + ask.seconds
    found = await asyncio.gather(*(_one_after_the_other(ask, end) for _ in range(ask.connections)))
    bodies = [body for _, _, body in found if body]
    chain = json.loads(bodies[-1])["chain"] if bodies else ""
    issued, wrong = sum(each[0] for each in found), sum(each[1] for each in found)
    return Outcome(issued, wrong, time.monotonic() - began, chain)


async def _one_after_the_other(ask: Ask, end: float) -> tuple[int, int, bytes]:
    tls = ssl.create_default_context(cadata=ask.anchors)
    issued = wrong = 0
    last = b""
    while time.monotonic() < end:
        reader, writer = await asyncio.open_connection(*ask.place, ssl=tls, server_hostname=ask.name)
        while time.monotonic() < end:
            writer.write(ask.request)
            status, body = await _answer(reader)
            if status == 200:
                issued, last = issued + 1, body
            else:
                wrong += 1
            if not ask.kept:
                break
        writer.close()
        with contextlib.suppress(OSError):  # what came is what counts
            await writer.wait_closed()  # a loop that is closed before its connections raises
    return issued, wrong, last


async def _answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    head = await reader.readuntil(b"\r\n\r\n")
    lines = head.decode("ascii").lower().split("\r\n")
    (length,) = [line.partition(":")[2] for line in lines if line.startswith("content-length:")]
    return int(lines[0].split()[1]), await reader.readexactly(int(length))
