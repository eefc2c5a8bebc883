"""
The backend, the same for all: `python -m benchmarks.backend HOST:PORT`. See `payload` for what it does.

One thread answers all small messages from one epoll loop; each bulk transfer has a thread of its own.
"""

import select
import socket
import sys
import threading
from contextlib import closing, suppress

from benchmarks.http_answers import answers
from benchmarks.payload import CHUNK, DOWNLOAD, ECHO, HTTP, MESSAGE, ONCE, UPLOAD, pattern


def serve(listener: socket.socket) -> None:
    """Answer for ever."""
    poll = select.epoll()
    poll.register(listener, select.EPOLLIN)
    echoes: dict[int, socket.socket] = {}
    fresh: dict[int, socket.socket] = {}
    http: dict[int, tuple[socket.socket, bytes]] = {}
    while True:
        for fd, _ in poll.poll():
            if fd == listener.fileno():
                sock, _ = listener.accept()
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                fresh[sock.fileno()] = sock
                poll.register(sock, select.EPOLLIN)
            elif fd in echoes:
                if not _echo(echoes[fd]):
                    echoes.pop(fd).close()
            elif fd in http:
                sock, held = http.pop(fd)
                if (left := _http(sock, held)) is None:
                    sock.close()
                else:
                    http[fd] = sock, left
            else:
                sock = fresh.pop(fd)
                kind = sock.recv(1, socket.MSG_PEEK)
                if kind == ECHO and _echo(sock):
                    echoes[fd] = sock
                    continue
                if kind == HTTP and (left := _http(sock, b"")) is not None:
                    http[fd] = sock, left
                    continue
                poll.unregister(fd)
                if kind in (DOWNLOAD, UPLOAD):
                    threading.Thread(target=_bulk, args=(sock,), daemon=True).start()
                    continue
                if kind == ONCE:
                    sock.sendall(receive_exactly(sock, MESSAGE))
                sock.close()


def _echo(sock: socket.socket) -> bool:
    """Whether there will be more."""
    try:
        data = sock.recv(65536)
        sock.sendall(data)
    except OSError:
        return False
    return bool(data)


def _http(sock: socket.socket, held: bytes) -> bytes | None:
    """The beginning of a request that is not whole yet; None if there will be no more."""
    try:
        data = sock.recv(65536)
        answer, left, stays = answers(held + data)
        sock.sendall(answer)
    except OSError:
        return None
    return left if data and stays else None


def _bulk(sock: socket.socket) -> None:
    with closing(sock), suppress(OSError, EOFError):
        head = receive_exactly(sock, 9)
        count = int.from_bytes(head[1:], "big")
        if head[:1] == DOWNLOAD:
            send_pattern(sock, count)
        else:
            right = receive_pattern(sock, count)
            sock.sendall((count if right else 0).to_bytes(8, "big"))


def receive_exactly(sock: socket.socket, size: int) -> bytes:
    """*size* bytes of *sock*, which blocks. Raises EOFError and OSError."""
    data = b""
    while len(data) < size:
        more = sock.recv(size - len(data))
        if not more:
            raise EOFError(f"the connection ended {size - len(data)} bytes early")
        data += more
    return data


def send_pattern(sock: socket.socket, count: int) -> None:
    position = 0
    while position < count:
        data = pattern(position, min(CHUNK, count - position))
        sock.sendall(data)
        position += len(data)


def receive_pattern(sock: socket.socket, count: int) -> bool:
    """Whether *count* bytes came, each as it should be. Raises OSError."""
    buffer = bytearray(CHUNK)
    position = 0
    while position < count:
        size = sock.recv_into(buffer, min(CHUNK, count - position))
        if not size or buffer[:size] != pattern(position, size):
            return False
        position += size
    return True


def main() -> None:
    host, _, port = sys.argv[1].rpartition(":")
    with socket.create_server((host, int(port)), backlog=1024) as listener:
        serve(listener)


if __name__ == "__main__":
    main()
