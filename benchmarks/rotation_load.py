"""
The load under which certificates are replaced: it begins before, ends after, and counts whatever went wrong.

    new      connections of one message and its echo each
    kept     messages and echoes on connections that stay open from the beginning to the end
    stream   one connection whose bytes go up and come down again at the same time, until the half-close
    wrk      HTTP requests on connections that stay open, and on a new one each, where wrk is on the PATH

All but wrk look at every byte. What is cut between two requests is as wrong as what is cut within one.
"""

import hashlib
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

from benchmarks import load
from benchmarks.load import Outcome
from benchmarks.makers import WRK, wrk_argv, wrk_outcome
from benchmarks.payload import ECHO, pattern
from benchmarks.site import Place

AT_ONCE = 8
"""New connections of ours at a time, and such as stay open; as many of wrk's, of each kind."""
BATCH = 200
"""Connections, or messages, between two looks at whether it is over."""
BLOCK = 64 * 1024
AHEAD = 8
"""Blocks of the stream that are on their way at once."""
PAUSE = 0.005
"""Seconds between two blocks, so that the stream leaves something for the others."""
WRK_PATIENCE = "20s"
"""For one request: slow is not wrong here."""
_FOR_EVER = 100_000


@dataclass(slots=True)
class Counted:
    """Requests, each with its answer, and those whose answer did not come or was not what it should be."""

    done: int = 0
    failed: int = 0

    def add(self, outcome: Outcome) -> None:
        self.done += outcome.right
        self.failed += outcome.wrong


@dataclass(slots=True)
class Streamed:
    """Bytes of the stream, which the backend sends back."""

    sent: int = 0
    received: int = 0
    wrong: int = 0
    """Of those received: in blocks that are not what stood there; all of them if the sums differ."""

    @property
    def lost(self) -> int:
        """What was sent and never came back, once the stream has ended."""
        return max(0, self.sent - self.received)


@dataclass(slots=True)
class Carried:
    """What the load has done. Complete when its block has been left."""

    new: Counted = field(default_factory=Counted)
    kept: Counted = field(default_factory=Counted)
    stream: Streamed = field(default_factory=Streamed)
    cut: int = 0
    """Of those that stay open, the stream's among them: connections that did not."""
    wrk_new: Counted | None = None
    """None without wrk."""
    wrk_kept: Counted | None = None
    said: list[str] = field(default_factory=list)
    """What went wrong, in words."""

    @property
    def requests(self) -> int:
        return sum(one.done for one in self._all())

    @property
    def failed(self) -> int:
        return sum(one.failed for one in self._all())

    @property
    def wrong(self) -> int:
        """Everything that must be 0."""
        return self.failed + self.cut + self.stream.wrong + self.stream.lost

    @property
    def idle(self) -> bool:
        """Whether a part of it has done nothing, so that nothing could fail there."""
        return not all(one.done for one in self._all()) or not self.stream.received

    @property
    def under_way(self) -> bool:
        """Whether each part of ours has done something; what wrk has done is known at the end."""
        return bool(self.new.done and self.kept.done and self.stream.received)

    def _all(self) -> list[Counted]:
        return [one for one in (self.new, self.kept, self.wrk_new, self.wrk_kept) if one is not None]


@contextmanager
def loaded(entrance: Place, script: str) -> Iterator[Carried]:
    """All of it at *entrance* for as long as the block lasts; *script* is wrk's."""
    carried, over = Carried(), threading.Event()
    with ThreadPoolExecutor(6) as threads:
        running: list[Future[None]] = [
            threads.submit(_new, carried, entrance, over),
            threads.submit(_kept, carried, entrance, over),
            threads.submit(_stream, carried, entrance, over),
        ]
        if WRK.here:
            carried.wrk_new, carried.wrk_kept = Counted(), Counted()
            running.append(threads.submit(_wrk, carried.wrk_new, entrance, script, over, close=True))
            running.append(threads.submit(_wrk, carried.wrk_kept, entrance, script, over, close=False))
        try:
            yield carried
        finally:
            over.set()
        for one in running:
            one.result()


def _new(carried: Carried, entrance: Place, over: threading.Event) -> None:
    while not over.is_set():
        carried.new.add(load.new_connections(entrance, BATCH, at_once=AT_ONCE))


def _kept(carried: Carried, entrance: Place, over: threading.Event) -> None:
    try:
        with load.open_connections(entrance, AT_ONCE) as socks:
            while not over.is_set():
                done = load.small_requests(socks, BATCH)
                carried.kept.add(done)
                if done.wrong:
                    carried.cut += done.wrong
                    carried.said.append(f"{done.wrong} of the connections that stay open were cut")
                    return
    except (OSError, EOFError, AssertionError) as error:
        carried.kept.failed += 1
        carried.said.append(f"the connections that stay open did not come about: {error!r}")


def _stream(carried: Carried, entrance: Place, over: threading.Event) -> None:
    """Up in one thread and down in another, until all has come back behind the half-close."""
    room, ended = threading.Semaphore(AHEAD), threading.Event()
    stream, sums = carried.stream, (hashlib.sha256(), hashlib.sha256())

    def up(sock: socket.socket) -> None:
        while not over.wait(PAUSE) and room.acquire(timeout=load.PATIENCE) and not ended.is_set():
            block = _block(stream.sent)
            stream.sent += len(block)
            sums[0].update(block)
            sock.sendall(block)
        sock.shutdown(socket.SHUT_WR)

    def down(sock: socket.socket) -> None:
        held = b""
        while more := sock.recv(BLOCK):
            held += more
            stream.received += len(more)
            while len(held) >= BLOCK:
                block, held = held[:BLOCK], held[BLOCK:]
                sums[1].update(block)
                if block != _block(stream.received - len(held) - BLOCK):
                    stream.wrong += BLOCK
                room.release()
        sums[1].update(held)

    try:
        with load.connect(entrance) as sock, ThreadPoolExecutor(1) as sender:
            sending = sender.submit(up, sock)
            try:
                down(sock)
            finally:
                ended.set()
                room.release()  # whoever waits for it sees that there will be no more
            sending.result()
    except OSError as error:
        carried.said.append(f"the stream broke after {stream.received} bytes: {error!r}")
        carried.cut += 1
    else:
        if not over.is_set():
            carried.said.append(f"the stream ended after {stream.received} bytes")
            carried.cut += 1
    if not stream.wrong and not stream.lost and sums[0].digest() != sums[1].digest():
        stream.wrong = stream.received


def _block(position: int) -> bytes:
    """What stands at *position* of the stream; its first byte tells the backend to send all back."""
    return pattern(position, BLOCK) if position else ECHO + pattern(1, BLOCK - 1)


def _wrk(counted: Counted, entrance: Place, script: str, over: threading.Event, *, close: bool) -> None:
    argv = wrk_argv(entrance, _FOR_EVER, AT_ONCE, script, close=close)
    argv[1:1] = ["--timeout", WRK_PATIENCE]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        over.wait()
        process.send_signal(signal.SIGINT)  # it ends, and tells what it has counted
        said, _ = process.communicate(timeout=60)
    counted.add(wrk_outcome(said))
