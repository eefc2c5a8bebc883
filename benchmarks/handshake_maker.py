"""
Handshakes and nothing else: a process that makes tunnels at a gateway, several at once, and leaves them.

In TLS 1.3 a client has finished before the server has looked at its certificate. So a PING goes out with
the client's last message, and a handshake counts when its PONG has come. No stream is opened and no backend
is asked.
"""

import itertools
import multiprocessing
import ssl
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from benchmarks.backend import receive_exactly
from benchmarks.load import connect
from benchmarks.site import Leaf, Place
from gateway.frames import ALPN, Frame, FrameType

AT_ONCE = 4
"""The gateway computes one at a time, and drops who has waited a second: on a busy machine that is soon."""


@dataclass(frozen=True, slots=True)
class Clients:
    """Who comes, where to, and whom they expect there."""

    leaves: Sequence[Leaf]
    """They take turns, one for each handshake."""
    anchors: Path
    place: Place
    server: str
    """The gateway's identity."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Handshakes for so many seconds, and no more of them than *most*."""

    seconds: float
    most: int | None = None


@dataclass(frozen=True, slots=True)
class Made:
    """What the clients have done."""

    right: int
    wrong: int
    seconds: float
    cpu: float
    """Seconds, of the clients' process."""
    failure: str = ""
    """The first of what went wrong."""


class Maker:
    """The process of the clients. Raises EOFError if it has died."""

    def __init__(self, pipe: "Connection[Clients | Asked, Made | None]") -> None:
        self._pipe = pipe

    def prepare(self, clients: Clients) -> None:
        """From now on they are *clients*; returns when all of their certificates are loaded."""
        self._pipe.send(clients)
        self._pipe.recv()

    def make(self, seconds: float, *, most: int | None = None) -> Made:
        """Handshakes for so long, at most so many."""
        self._pipe.send(Asked(seconds, most))
        made = self._pipe.recv()
        assert made is not None
        return made


@contextmanager
def maker() -> Iterator[Maker]:
    """The process ends with the block."""
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    process = spawn.Process(target=_serve, args=(theirs,))
    process.start()
    theirs.close()
    try:
        yield Maker(ours)
    finally:
        ours.close()  # which it takes as its end
        process.join()


def _serve(pipe: "Connection[Made | None, Clients | Asked]") -> None:
    clients: Clients | None = None
    contexts: list[ssl.SSLContext] = []
    with suppress(EOFError):
        while True:
            said = pipe.recv()
            if isinstance(said, Clients):
                clients, contexts = said, [_context(leaf, said.anchors) for leaf in said.leaves]
                pipe.send(None)
                continue
            assert clients is not None
            pipe.send(_make(clients, contexts, said.seconds, said.most))


def _context(leaf: Leaf, anchors: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_verify_locations(anchors)
    context.load_cert_chain(leaf.certificate, leaf.key)
    context.set_alpn_protocols([ALPN])
    return context


def _make(clients: Clients, contexts: Sequence[ssl.SSLContext], seconds: float, most: int | None) -> Made:
    numbers = iter(range(most)) if most is not None else itertools.count()
    lock = threading.Lock()
    failures: list[str] = []
    cpu, began = time.process_time(), time.monotonic()

    def work(_: int) -> int:
        right = 0
        while time.monotonic() < began + seconds:
            with lock:
                number = next(numbers, None)
            if number is None:
                break
            if failure := _handshake(clients, contexts[number % len(contexts)], number):
                failures.append(failure)
            else:
                right += 1
        return right

    with ThreadPoolExecutor(AT_ONCE) as threads:
        right = sum(threads.map(work, range(AT_ONCE)))
    taken = time.monotonic() - began
    return Made(right, len(failures), taken, time.process_time() - cpu, next(iter(failures), ""))


def _handshake(clients: Clients, context: ssl.SSLContext, number: int) -> str:
    """One tunnel, made and left: why it did not come about, "" if it did."""
    payload = number.to_bytes(8, "big")
    pong = Frame(FrameType.PONG, payload).encode()
    try:
        with (
            closing(connect(clients.place)) as sock,
            context.wrap_socket(sock, server_hostname=clients.server) as tls,
        ):
            assert not tls.session_reused
            tls.sendall(Frame(FrameType.PING, payload).encode())
            if (answer := receive_exactly(tls, len(pong))) != pong:
                return f"an answer that is no PONG: {answer!r}"
            with suppress(OSError):  # all that was asked for has come; what follows is manners
                tls.unwrap()
    except (OSError, EOFError) as error:
        return repr(error)
    return ""
