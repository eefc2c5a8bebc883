"""Calm when descriptors run out."""

import asyncio
import errno
import socket

from structlog.testing import capture_logs

from gateway.listener import Listener
from gateway.wire import Wire
from process.address import Address


class Starving:
    """A listening socket whose `accept` finds no descriptor, as often as told."""

    def __init__(self, sock: socket.socket, times: int) -> None:
        self._sock = sock
        self.left = times

    def __getattr__(self, name: str) -> object:
        return getattr(self._sock, name)

    def accept(self) -> tuple[socket.socket, object]:
        if self.left:
            self.left -= 1
            raise OSError(errno.EMFILE, "Too many open files")
        return self._sock.accept()


async def test_who_finds_no_descriptor_waits_and_is_served_and_one_line_says_so() -> None:
    served: asyncio.Future[Address] = asyncio.get_running_loop().create_future()

    async def serve(wire: Wire) -> None:
        served.set_result(wire.remote)
        wire.close()

    listening = socket.create_server(("127.0.0.1", 0))
    listening.setblocking(False)
    starving = Starving(listening, 3)
    with capture_logs() as logged:
        async with Listener(
            starving,  # type: ignore[arg-type]
            serve,
            most=10,
            refused=lambda refusal: None,
            failed=lambda: None,
        ) as listener:
            with socket.create_connection((listener.address.host, listener.address.port)) as peer:
                async with asyncio.timeout(60):
                    assert (await served).port == peer.getsockname()[1]
    assert starving.left == 0
    assert [line["event"] for line in logged] == ["listener.resting"]
