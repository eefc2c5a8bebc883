"""Two ends of TLS, back to back in memory."""

import ssl
from dataclasses import dataclass


@dataclass(frozen=True)
class Pair:
    """Both ends after a handshake that worked."""

    client: ssl.SSLObject
    server: ssl.SSLObject
    to_client: ssl.MemoryBIO


def handshake(client: ssl.SSLContext, server: ssl.SSLContext, name: str = "gateway.test") -> Pair:
    """
    Shake hands. Raises ssl.SSLError of whichever end refuses; `refused_by` then says which.

    A TLS 1.3 client is done before the server has judged it, so both are driven to the end.
    """
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = {
        "client": client.wrap_bio(to_client, to_server, server_hostname=name),
        "server": server.wrap_bio(to_server, to_client, server_side=True),
    }
    waiting = dict(ends)
    while waiting:
        before = len(waiting), to_server.pending, to_client.pending
        for role, end in list(waiting.items()):
            try:
                end.do_handshake()
                del waiting[role]
            except ssl.SSLWantReadError:
                pass
            except ssl.SSLError as error:
                error.refused_by = role  # type: ignore[attr-defined]  # for the test that catches it
                raise
        assert (len(waiting), to_server.pending, to_client.pending) != before, "the handshake stands still"
    return Pair(ends["client"], ends["server"], to_client)
