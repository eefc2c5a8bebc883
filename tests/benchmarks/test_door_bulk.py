"""What comes through a door: frames leave, payload stays, and a short real run."""

import pytest

from benchmarks.ours import OURS, unwrap, wrap
from benchmarks.payload import pattern
from benchmarks.peers import at_hand
from benchmarks.run import run
from benchmarks.scenarios import SCENARIOS
from benchmarks.table import rows
from gateway.frames import Frame, FrameType
from tests.benchmarks.sizes import TINY

PAYLOAD = pattern(0, 3_000)
CAME = Frame(FrameType.OPENED).encode() + wrap(PAYLOAD[:1000]) + wrap(PAYLOAD[1000:])


@pytest.mark.parametrize("size", [1, 3, 7, 1004, len(CAME)])
def test_payload_is_what_was_wrapped_wherever_it_is_cut(size: int) -> None:
    take = unwrap()
    pieces = (CAME[start : start + size] for start in range(0, len(CAME), size))
    assert b"".join(bytes(part) for piece in pieces for part in take(memoryview(piece))) == PAYLOAD


def test_every_byte_comes_through_every_door() -> None:
    here, _ = at_hand()
    names = [peer.name for peer in here]
    scenarios = [scenario for scenario in SCENARIOS if scenario.name in ("door download", "door upload")]
    table = rows(run([OURS, *here], TINY, scenarios=scenarios, say=lambda _: None), names)
    assert len(table) == 2
    for row in table:
        assert not row.wrong, row
        assert None not in (row.ours, *row.peers.values())
