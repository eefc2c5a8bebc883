"""A backend that takes no connections is passed over after a few tries, and used again when it is back."""

import asyncio
import socket
from pathlib import Path

from tests.flows.test_both_ends_from_files import echo
from tests.support.tunnelled import backend, tunnelled

CALLS = 40


async def test_calls_go_on_while_a_backend_is_away_and_it_gets_some_when_it_is_back(tmp_path: Path) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))  # so that the port stays nobody else's
        host, port = held.getsockname()
        async with backend(echo) as one, tunnelled(tmp_path, one.address) as way:
            way.write_routes(one.address, f"{host}:{port}")
            await way.gateway.logged("file.loaded")
            for _ in range(CALLS):
                await way.echoes(b"one answers")
            (ejected,) = await way.gateway.logged("endpoint.ejected")
            assert ejected["endpoint"] == f"{host}:{port}"
            assert one.connections == CALLS
            held.close()
            async with backend(echo, port=port), asyncio.timeout(60):
                while not way.gateway.events("endpoint.returned"):
                    await way.echoes(b"either answers")
