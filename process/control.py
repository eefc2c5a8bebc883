"""
What a supervisor and one of its workers say to each other: a JSON document a line, over a pair of sockets.

The supervisor asks by name and gets one answer to each question, in order; the worker tells what has changed
without being asked. The pair needs no name, no file and no port, so nobody else can join; and the end of one
of them is the end of the conversation, however that process died.
"""

import asyncio
import json
import socket
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Self

_LONGEST_LINE = 64 * 1024 * 1024
"""Ten thousand connections take 3 MB."""

# Any: what JSON can say.


class Asking:
    """The supervisor's end."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, told: Callable[[Any], None]
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._told = told
        self._asked: deque[asyncio.Future[Any]] = deque()

    @classmethod
    async def over(cls, sock: socket.socket, told: Callable[[Any], None]) -> Self:
        """*told* is called with what the worker tells of itself."""
        return cls(*await asyncio.open_unix_connection(sock=sock, limit=_LONGEST_LINE), told)

    async def listen(self) -> None:
        """Take what the worker says until it has gone; questions left open raise ConnectionError."""
        try:
            while line := await _line(self._reader):
                if "told" in line:
                    self._told(line["told"])
                elif not (answered := self._asked.popleft()).done():  # else nobody waits any more
                    answered.set_result(line["answer"])
        finally:
            self._writer.close()
            for open_question in self._asked:
                if not open_question.done():
                    open_question.set_exception(ConnectionError("the worker has ended"))
            self._asked.clear()

    async def ask(self, question: str, *, patience: float) -> Any:
        """Raises OSError if the worker has ended, or has not answered within *patience* seconds."""
        if self._writer.is_closing():
            raise ConnectionError("the worker has ended")
        answered = asyncio.get_running_loop().create_future()
        self._asked.append(answered)
        self._writer.write(_as_line({"ask": question}))
        async with asyncio.timeout(patience):
            return await answered


class Answering:
    """The worker's end."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def over(cls, sock: socket.socket) -> Self:
        return cls(*await asyncio.open_unix_connection(sock=sock, limit=_LONGEST_LINE))

    def tell(self, what: Any) -> None:
        if not self._writer.is_closing():
            self._writer.write(_as_line({"told": what}))

    async def answer(self, answers: Mapping[str, Callable[[], Any]]) -> None:
        """Answer each question by calling what has its name; returns once the supervisor has gone."""
        try:
            while line := await _line(self._reader):
                self._writer.write(_as_line({"answer": answers[line["ask"]]()}))
        finally:
            self._writer.close()


async def _line(reader: asyncio.StreamReader) -> Any:
    """The next document, or None if the other end has gone, in mid-line or not."""
    try:
        line = await reader.readuntil(b"\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    return json.loads(line)


def _as_line(document: Any) -> bytes:
    return json.dumps(document).encode() + b"\n"
