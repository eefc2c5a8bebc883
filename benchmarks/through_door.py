"""
Load straight to the gateway's end, by clients that bring their own TLS.

What goes through the door carries the same messages for all; ours needs a frame's head around each.
"""

import socket
import ssl
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

from benchmarks.load import Outcome, connect
from benchmarks.payload import ECHO, ONCE, message
from benchmarks.site import Door, Leaf

AT_ONCE = 4


def client_context(door: Door, leaf: Leaf, anchors: Path) -> ssl.SSLContext:
    """Mutual TLS 1.3 as *leaf*."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_verify_locations(anchors)
    context.load_cert_chain(leaf.certificate, leaf.key)
    if door.alpn:
        context.set_alpn_protocols(door.alpn)
    return context


def handshakes(
    door: Door, contexts: Sequence[ssl.SSLContext], name: str, count: int, *, at_once: int = AT_ONCE
) -> Outcome:
    """
    *count* full handshakes with one message and its echo each; no session is ever used again.

    The contexts take turns, one for each handshake.
    """
    numbers = iter(range(count))
    lock = threading.Lock()

    def work(_: int) -> int:
        right = 0
        while True:
            with lock:
                number = next(numbers, None)
            if number is None:
                return right
            right += handshake(door, contexts[number % len(contexts)], name, number)

    started = time.monotonic()
    with ThreadPoolExecutor(at_once) as threads:
        right = sum(threads.map(work, range(at_once)))
    return Outcome(right, count - right, time.monotonic() - started)


def handshake(door: Door, context: ssl.SSLContext, name: str, number: int) -> bool:
    """One connection of one message; whether its echo came."""
    question = message(ONCE, number)
    with (
        suppress(OSError, EOFError),
        closing(connect(door.place)) as sock,
        context.wrap_socket(sock, server_hostname=name, suppress_ragged_eofs=False) as tls,
    ):
        assert not tls.session_reused
        tls.sendall(door.opening + door.wrap(question) + door.last)
        _receive(tls, question, door.last)
        with suppress(OSError):  # all that was asked for has come; what follows is manners
            tls.unwrap()
        return True
    return False


def ask(tls: ssl.SSLSocket, door: Door, number: int, *, first: bool = False) -> None:
    """One message and its echo on a connection that stays open. Raises OSError and EOFError."""
    question = message(ECHO, number)
    tls.sendall((door.opening if first else b"") + door.wrap(question))
    _receive(tls, question, b"")


def _receive(tls: ssl.SSLSocket, question: bytes, last: bytes) -> None:
    answer = b""
    while question not in answer or not answer.endswith(last):
        more = tls.recv(4096)
        if not more:
            raise EOFError("the connection ended before the whole answer")
        answer += more


class Held:
    """Connections through a door that stay open, more of them at each step."""

    def __init__(self, door: Door, context: ssl.SSLContext, name: str, owned: ExitStack) -> None:
        self.socks: list[ssl.SSLSocket] = []
        self._door, self._context, self._name, self._owned = door, context, name, owned

    def grow(self, count: int) -> None:
        """Have *count* of them, each of which has carried one message. Raises OSError and EOFError."""

        def one(number: int) -> ssl.SSLSocket:
            tls = self._context.wrap_socket(connect(self._door.place), server_hostname=self._name)
            self._owned.callback(tls.close)
            ask(tls, self._door, number, first=True)
            return tls

        with ThreadPoolExecutor(AT_ONCE) as threads:
            self.socks += threads.map(one, range(len(self.socks), count))

    def requests(self, count: int) -> Outcome:
        """*count* messages, one after the other, spread over all connections."""
        started = time.monotonic()
        right = 0
        with suppress(OSError, EOFError):
            for number in range(count):
                ask(self.socks[number * 7919 % len(self.socks)], self._door, number)
                right += 1
        return Outcome(right, count - right, time.monotonic() - started)


@contextmanager
def held(door: Door, context: ssl.SSLContext, name: str) -> Iterator[Held]:
    """No connections yet; those that there will be are closed with the block."""
    with ExitStack() as owned:
        yield Held(door, context, name, owned)


@contextmanager
def silent(door: Door, count: int) -> Iterator[list[socket.socket]]:
    """*count* sockets that are connected and never say a word. Raises OSError."""
    with ExitStack() as owned:
        yield [owned.enter_context(connect(door.place)) for _ in range(count)]
