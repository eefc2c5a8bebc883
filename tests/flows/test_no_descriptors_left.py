"""A gateway without descriptors accepts nobody, says so, serves who is in, and goes on when some are free."""

import asyncio
import resource
from pathlib import Path

from tests.flows.test_both_ends_from_files import echo
from tests.support.processes import PATIENCE, Running, until
from tests.support.tunnelled import backend, tunnelled


def descriptors(process: Running) -> int:
    return len(list(Path(f"/proc/{process.process.pid}/fd").iterdir()))


def limit(process: Running, most: int) -> None:
    """Of the descriptors that it may have from now on."""
    _, hard = resource.prlimit(process.process.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(process.process.pid, resource.RLIMIT_NOFILE, (min(most, hard), hard))


async def test_who_comes_waits_and_who_is_in_is_served(tmp_path: Path) -> None:
    async with backend(echo) as one, tunnelled(tmp_path, one.address) as way:
        reader, writer = await way.call()
        writer.write(b"in")
        assert await reader.readexactly(2) == b"in"
        before = descriptors(way.gateway)
        limit(way.gateway, before + 8)
        # Strangers take what is left: they say nothing, and are let in no further than that.
        strangers = [await asyncio.open_connection(*way.door) for _ in range(20)]
        await way.gateway.logged("listener.resting")
        writer.write(b"still in")
        assert await reader.readexactly(8) == b"still in"
        limit(way.gateway, 4096)
        async with asyncio.timeout(PATIENCE):
            await way.echoes(b"new")
            await until(lambda: descriptors(way.gateway) > before + 20, "all strangers to be accepted")
        for _, stranger in strangers:
            stranger.close()
        writer.write(b"to the end")
        writer.write_eof()
        assert await reader.read() == b"to the end"
        writer.close()
