"""
A client under load, run inside a pod: so many new connections a second, each with two requests.

    python3 - RATE SECONDS LONGEST

prints {"calls": n, "failed": [{"host", "started", "seconds", "why"}], "hosts": {name: n}}. The first
request asks who answers; the second is answered after up to LONGEST seconds. A call is good only if
both answers came whole. "host" is who it ran on, if that was learnt.
"""

import asyncio
import collections
import json
import random
import sys
import time
from asyncio import StreamReader, StreamWriter
from typing import Any

HOST, PORT = "127.0.0.1", 7001


async def ask(reader: StreamReader, writer: StreamWriter, path: str) -> Any:
    writer.write(f"GET {path} HTTP/1.1\r\nHost: podinfo\r\n\r\n".encode())
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    status = head.split(" ", 2)[1]
    if status != "200":
        raise ValueError(f"{path} is answered with {status}")
    length = next(line for line in head.splitlines() if line.startswith("content-length:"))
    return json.loads(await reader.readexactly(int(length.split(":")[1])))


class Client:
    """Calls, and counts how they ended."""

    def __init__(self) -> None:
        self.began = time.monotonic()
        self.calls = 0
        self.failed: list[dict[str, Any]] = []
        self.hosts: collections.Counter[str] = collections.Counter()

    async def call(self, seconds: float) -> None:
        host, started, writer = None, time.monotonic(), None
        try:
            async with asyncio.timeout(seconds + 20):
                reader, writer = await asyncio.open_connection(HOST, PORT)
                host = (await ask(reader, writer, "/"))["hostname"]
                await ask(reader, writer, f"/delay/{seconds:.3f}")
                self.hosts[host] += 1
        except (OSError, EOFError, ValueError) as error:
            failure = {
                "host": host,
                "started": round(started - self.began, 3),
                "seconds": round(time.monotonic() - started, 3),
                "why": f"{type(error).__name__}: {error}",
            }
            self.failed.append(failure)
        finally:
            if writer is not None:
                writer.close()

    async def load(self, rate: float, lasting: float, longest: float) -> None:
        async with asyncio.TaskGroup() as tasks:
            while (now := time.monotonic() - self.began) < lasting:
                while self.calls < now * rate:
                    self.calls += 1
                    # Most calls are short, as in life; one in five takes its time.
                    seconds = random.uniform(0, longest) if random.random() < 0.2 else 0.0
                    tasks.create_task(self.call(seconds))
                await asyncio.sleep(0.005)


async def main() -> None:
    client = Client()
    await client.load(*map(float, sys.argv[1:4]))
    print(json.dumps({"calls": client.calls, "failed": client.failed, "hosts": client.hosts}))


asyncio.run(main())
