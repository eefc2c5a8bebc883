"""The loads of a rotation count what goes wrong."""

import socket
import threading
from pathlib import Path

import pytest

from benchmarks import makers, rotation
from benchmarks.programs import until
from benchmarks.rotation import Rotated, Under, to_markdown
from benchmarks.site import Way


def test_a_stream_that_breaks_and_connections_that_fail_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(makers, "located", lambda program: None)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        answered = threading.Semaphore(0)

        def hang_up() -> None:
            while True:
                try:
                    sock, _ = listener.accept()
                except OSError:
                    return
                sock.recv(10)
                sock.close()
                answered.release()

        threading.Thread(target=hang_up, daemon=True).start()
        under = Under(Way("ours", listener.getsockname()), "")
        with under.block():
            for _ in range(rotation.AT_ONCE):
                answered.acquire()
            until(lambda: under.lost > 0, lambda: "the stream, which is connected beside the others")
        listener.shutdown(socket.SHUT_RDWR)
    assert under.failed > 0
    assert under.connections == 0
    assert under.lost > 0
    assert under.requests is None


def test_what_went_wrong_makes_a_rotation_wrong_and_stands_in_its_row() -> None:
    good = Rotated("leaf", 10, 0, 20, 0, 1_000_000, 0, 3, 1.0, {"new leaves": 1.0})
    assert good.wrong == 0
    bad = Rotated("leaf", 10, 1, 20, 2, 1_000_000, 4, 3, 1.0, {})
    assert bad.wrong == 7
    row = to_markdown([good], "2 CPUs", 10.0).splitlines()[-1]
    assert row == "| leaf | 10 | 0 | 20 | 0 | 1 MB | 0 | 3 | new leaves 1.0 s |"
