"""
The load makers: raw sockets, the same for every way, and every byte that comes back is looked at.

They run in the process that measures, whose own CPU is nobody's. Each gives an `Outcome`; what went
wrong is counted in it and never raised.
"""

import resource
import select
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass

from benchmarks.backend import receive_exactly, receive_pattern, send_pattern
from benchmarks.payload import CHUNK, DOWNLOAD, ECHO, MESSAGE, ONCE, UPLOAD, bulk_request, message, pattern
from benchmarks.site import Place

PATIENCE = 20.0
"""Seconds without an answer after which the rest of a load counts as failed."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a load has done."""

    right: int
    wrong: int
    """Answers that did not come, or not as they should: one is enough to spoil a run."""
    seconds: float


@contextmanager
def open_connections(place: Place, count: int) -> Iterator[list[socket.socket]]:
    """
    *count* connections through which the backend has answered once.

    Raises OSError, EOFError and AssertionError.
    """
    all_descriptors()
    with ExitStack() as opened:
        socks = []
        for number in range(count):
            sock = opened.enter_context(connect(place))
            sock.sendall(message(ECHO, number))
            assert receive_exactly(sock, MESSAGE) == message(ECHO, number), "a wrong answer"
            socks.append(sock)
        yield socks


def all_descriptors() -> None:
    """Let this process have as many descriptors as it may."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def small_requests(socks: list[socket.socket], count: int) -> Outcome:
    """*count* messages and their echoes in all: each connection sends its next when it has the last back."""
    started = time.monotonic()
    right = wrong = 0
    waiting: dict[int, tuple[socket.socket, bytes]] = {}
    with select.epoll() as poll:

        def ask(sock: socket.socket, number: int) -> None:
            question = message(ECHO, number)
            waiting[sock.fileno()] = sock, question
            with suppress(OSError):  # it is broken, which is then seen as an answer that did not come
                sock.send(question)

        for number, sock in enumerate(socks):
            poll.register(sock, select.EPOLLIN)
            ask(sock, number)
        asked = len(socks)
        while waiting and (events := poll.poll(PATIENCE)):
            for fd, _ in events:
                sock, question = waiting.pop(fd)
                if _answer(sock) != question:
                    wrong += 1
                    poll.unregister(fd)
                    continue
                right += 1
                if asked < count:
                    ask(sock, asked)
                    asked += 1
    return Outcome(right, wrong + len(waiting), time.monotonic() - started)


def _answer(sock: socket.socket) -> bytes:
    """One whole echo, which comes in one piece as a rule."""
    try:
        data = sock.recv(4 * MESSAGE)
        if 0 < len(data) < MESSAGE:
            data += receive_exactly(sock, MESSAGE - len(data))
    except (OSError, EOFError):
        return b""
    return data


def new_connections(place: Place, count: int, *, at_once: int) -> Outcome:
    """*count* connections of one message and its echo each, *at_once* at a time; the backend closes."""
    started = time.monotonic()
    right = wrong = begun = 0
    open_now: dict[int, tuple[socket.socket, bytes, bytes]] = {}
    with select.epoll() as poll:

        def begin() -> None:
            nonlocal begun, wrong
            question = message(ONCE, begun)
            begun += 1
            try:
                sock = connect(place)
                sock.sendall(question)
            except OSError:
                wrong += 1
                return
            poll.register(sock, select.EPOLLIN)
            open_now[sock.fileno()] = sock, question, b""

        while begun < min(count, at_once):
            begin()
        while open_now and (events := poll.poll(PATIENCE)):
            for fd, _ in events:
                sock, question, answer = open_now[fd]
                try:
                    more = sock.recv(4 * MESSAGE)
                except OSError:
                    more, answer = b"", b""
                if more:
                    open_now[fd] = sock, question, answer + more
                    continue
                right, wrong = (right + 1, wrong) if answer == question else (right, wrong + 1)
                del open_now[fd]
                sock.close()
                if begun < count:
                    begin()
        for sock, _, _ in open_now.values():
            sock.close()
    return Outcome(right, wrong + len(open_now), time.monotonic() - started)


def download(place: Place, size: int, *, at_once: int) -> Outcome:
    """*size* bytes from the backend, over *at_once* connections. Counts bytes."""

    def one(sock: socket.socket, part: int) -> bool:
        sock.sendall(bulk_request(DOWNLOAD, part))
        return receive_pattern(sock, part) and not sock.recv(1)

    return _bulk(place, size, at_once, one)


def upload(place: Place, size: int, *, at_once: int) -> Outcome:
    """*size* bytes to the backend, over *at_once* connections. Counts bytes."""

    def one(sock: socket.socket, part: int) -> bool:
        sock.sendall(bulk_request(UPLOAD, part))
        send_pattern(sock, part)
        return int.from_bytes(receive_exactly(sock, 8), "big") == part

    return _bulk(place, size, at_once, one)


def _bulk(place: Place, size: int, at_once: int, one: Callable[[socket.socket, int], bool]) -> Outcome:
    def run(part: int) -> bool:
        with connect(place) as sock:
            return one(sock, part)

    return in_parts(size, at_once, run)


def in_parts(size: int, at_once: int, run: Callable[[int], bool]) -> Outcome:
    """*size* bytes in *at_once* parts at a time, each by *run*; what raises OSError or EOFError is wrong."""
    part = size // at_once

    def right(_: int) -> bool:
        with suppress(OSError, EOFError):
            return run(part)
        return False

    started = time.monotonic()
    with ThreadPoolExecutor(at_once) as threads:
        good = sum(threads.map(right, range(at_once)))
    return Outcome(good * part, at_once - good, time.monotonic() - started)


def echoes(place: Place, size: int, count: int) -> Outcome:
    """*count* messages of *size* bytes and their echoes, one after the other on one connection."""
    started = time.monotonic()
    right = 0
    with suppress(OSError, EOFError), connect(place) as sock, ThreadPoolExecutor(1) as sender:
        sock.sendall(message(ECHO, 0))
        receive_exactly(sock, MESSAGE)
        for number in range(count):
            question = pattern(number, min(size, CHUNK)) * max(1, size // CHUNK)
            sent = sender.submit(sock.sendall, question)  # the echo begins before a large one is all sent
            right += receive_exactly(sock, size) == question
            sent.result()
    return Outcome(right, count - right, time.monotonic() - started)


def first_byte(place: Place) -> float:
    """Seconds from connecting to the first byte of the answer. Raises OSError and EOFError."""
    started = time.monotonic()
    with connect(place) as sock:
        sock.sendall(message(ONCE, 0))
        answer = receive_exactly(sock, 1)
        seconds = time.monotonic() - started
        assert answer + receive_exactly(sock, MESSAGE - 1) == message(ONCE, 0), "a wrong answer"
    return seconds


def connect(place: Place) -> socket.socket:
    sock = socket.create_connection(place, timeout=PATIENCE)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock
