"""Certificates replaced under load: short real runs, one of them with something broken; what is counted."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from benchmarks import makers, rotation
from benchmarks.payload import MESSAGE, ONCE
from benchmarks.programs import until
from benchmarks.rotation import Rotated, Rotating, to_markdown
from benchmarks.rotation_load import AT_ONCE, BLOCK, Carried, Counted, Streamed, loaded
from benchmarks.site import Place
from certs.authority import Authority

HOUSE = Path(__file__).parents[2]


def _walk(first: str, second: str) -> list[str]:
    return [
        *(f"both anchors, {first}", f"both anchors, {second}", "leaves under the new anchor"),
        *(f"the new anchor alone, {first}", f"the new anchor alone, {second}"),
    ]


def test_nothing_fails_while_leaf_issuer_and_anchor_are_replaced(tmp_path: Path) -> None:
    flags = ["--seconds", "0.2", "--spread", "1", "--results", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "rotation", *flags],
        capture_output=True,
        text=True,
        timeout=280,
        cwd=HOUSE,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((tmp_path / "rotation.json").read_text())["rotations"]
    assert {one["what"]: list(one["steps"]) for one in found} == {
        "leaf": ["new leaves"],
        "issuer": ["leaves of the new issuer"],
        "trust anchor, at the gateway first": _walk("gateway", "outbound"),
        "trust anchor, at the outbound proxy first": _walk("outbound", "gateway"),
    }
    for one in found:
        carried = one["carried"]
        assert carried["new"]["done"] > 0
        assert carried["kept"]["done"] > 0
        assert carried["stream"]["sent"] == carried["stream"]["received"] > 0
        assert (carried["wrk_new"] is None) == (not makers.WRK.here)
    assert (tmp_path / "rotation.md").read_text() in done.stdout


def test_a_run_in_which_an_end_dies_ends_with_1_and_counts_what_was_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(rotating: Rotating, root: Authority, issuer: Authority) -> None:
        assert rotating.way.client is not None
        os.kill(rotating.way.client, signal.SIGKILL)

    monkeypatch.setattr(rotation, "REPLACED", {"outbound proxy": killed})
    assert rotation.run(tmp_path, seconds=0.5, spread=0.1) == 1
    [found] = json.loads((tmp_path / "rotation.json").read_text())["rotations"]
    assert found["carried"]["new"]["failed"] > 0
    assert found["carried"]["cut"] == AT_ONCE + 1
    if makers.WRK.here:
        assert found["carried"]["wrk_new"]["failed"] > 0
        assert found["carried"]["wrk_kept"]["failed"] > 0


@contextmanager
def _answering(answer: Callable[[socket.socket], None]) -> Iterator[Place]:
    """A backend that does *answer* on each connection and hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def one(sock: socket.socket) -> None:
            with sock:
                try:
                    answer(sock)
                except (OSError, EOFError):
                    return  # the other side has had enough

        def serve() -> None:
            while True:
                try:
                    sock, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=one, args=(sock,), daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()
        listener.shutdown(socket.SHUT_RDWR)


def test_what_is_hung_up_on_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(makers, "located", lambda program: None)
    with _answering(lambda sock: None) as place, loaded(place, "") as carried:
        until(lambda: len(carried.said) == 2, lambda: "the stream and the connections that stay open")
    assert carried.new.done == carried.kept.done == 0
    assert carried.new.failed > 0
    assert carried.kept.failed == 1
    assert carried.cut == 1
    assert carried.stream.lost == carried.stream.sent
    assert carried.wrk_new is carried.wrk_kept is None


def test_one_wrong_byte_of_the_stream_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(makers, "located", lambda program: None)

    def change_one(sock: socket.socket) -> None:
        changed = False
        while more := sock.recv(BLOCK):
            if len(more) > 4096 and not changed:  # only the stream has so much
                more, changed = more[:-1] + bytes([more[-1] ^ 1]), True
            sock.sendall(more)
            if more[:1] == ONCE and len(more) == MESSAGE:
                return

    with _answering(change_one) as place, loaded(place, "") as carried:
        until(lambda: carried.stream.received > 2 * BLOCK, lambda: "the stream")
    assert carried.stream.wrong == BLOCK
    assert carried.stream.lost == 0


def test_what_went_wrong_makes_a_rotation_wrong_and_stands_in_its_row() -> None:
    good = Carried(Counted(10), Counted(30), Streamed(2000, 2000), 0, Counted(20), None)
    assert (good.wrong, good.idle, good.requests) == (0, False, 60)
    assert Carried(Counted(10), Counted(30), Streamed()).idle
    bad = Carried(Counted(10, 1), Counted(30, 2), Streamed(2000, 1900, 7), 3, Counted(20, 4))
    assert bad.wrong == 1 + 2 + 4 + 100 + 7 + 3
    row = to_markdown([Rotated("leaf", bad, 3, 1.0, {"new leaves": 1.0})], "2 CPUs", 10.0).splitlines()[-1]
    assert row == (
        "| leaf | 60 | 7 | 3 | 2,000 B | 1,900 B | 100 | 7 | 10 | 30 | 20 | - | 3 | new leaves 1.0 s |"
    )
