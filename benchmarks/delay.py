"""
A long path: `python -m benchmarks.delay LISTEN TARGET SECONDS` passes bytes on, each SECONDS later.

It ends TCP itself, so the three-way handshake would cost nothing. What the nearer side says within the
first round trip counts therefore as said after it: nobody could have sent it before the SYN came back.
"""

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.programs import running
from benchmarks.site import Place, Site, address


@contextmanager
def far(site: Site, target: Place) -> Iterator[Place]:
    """Where *target* is reached from afar, if the site is a far one; else *target* itself."""
    if not site.delay:
        yield target
        return
    near = site.place()
    argv = [sys.executable, "-m", "benchmarks.delay", address(near), address(target), str(site.delay)]
    with running(argv, site.directory / "delay.log", listens=[near]):
        yield near


async def _copy(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay: float, *, begins: float
) -> None:
    loop = asyncio.get_running_loop()
    queue: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

    async def deliver() -> None:
        while True:
            due, data = await queue.get()
            await asyncio.sleep(due - loop.time())
            if not data:
                writer.write_eof()
                return
            writer.write(data)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(deliver())
        data = b"-"
        while data:
            data = await reader.read(65536)
            queue.put_nowait((max(loop.time(), begins) + delay, data))


async def _serve(listen: Place, target: Place, delay: float) -> None:
    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accepted = asyncio.get_running_loop().time()
        onward, back = await asyncio.open_connection(*target)
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(_copy(reader, back, delay, begins=accepted + 2 * delay))
                both.create_task(_copy(onward, writer, delay, begins=0.0))
        except* OSError:
            pass  # one side is gone: so shall be the other
        finally:
            back.close()
            writer.close()

    server = await asyncio.start_server(carry, *listen, backlog=1024)
    await server.serve_forever()


def _place(text: str) -> Place:
    host, _, port = text.rpartition(":")
    return host, int(port)


if __name__ == "__main__":
    asyncio.run(_serve(_place(sys.argv[1]), _place(sys.argv[2]), float(sys.argv[3])))
