"""The table against the grammar of each side, and what both ends may rely on in each phase."""

import re
from collections import deque
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.frames import FrameType
from gateway.refusals import ProtocolViolation
from gateway.stream_order import TABLE, Phase, Side, may_speak, step

# What each side may say in one stream, whatever the other says: as in DESIGN's "order of a stream".
WORDS: dict[FrameType, str] = {
    FrameType.OPEN: "O",
    FrameType.OPENED: "A",
    FrameType.REFUSED: "X",
    FrameType.DATA: "d",
    FrameType.END: "e",
    FrameType.RESET: "r",
}
CLIENT = r"Od*[er]"
SERVER = r"(X|Ad*[er])"
Said = tuple[Side, FrameType]
ALL: list[Said] = [(side, frame) for side in ("client", "server") for frame in FrameType]


def by_side(said: list[Said], side: Side) -> str:
    return "".join(WORDS[frame] for who, frame in said if who == side)


def walk(choices: list[int]) -> tuple[list[Said], Phase]:
    """A conversation that the table allows, chosen step by step."""
    phase, said = Phase.IDLE, list[Said]()
    for choice in choices:
        allowed = [(side, frame) for at, side, frame in TABLE if at is phase]
        side, frame = allowed[choice % len(allowed)]
        phase = step(phase, side, frame)
        said.append((side, frame))
    return said, phase


def prefix_of(pattern: str, word: str, *, streams: int) -> bool:
    """Whether *word* is *streams* whole matches of *pattern* and then the beginning of one more."""
    whole = re.match(f"(?:{pattern}){{{streams}}}", word)
    if whole is None:
        return False
    rest = word[whole.end() :]
    return not rest or any(re.fullmatch(pattern, rest + end) for end in ("", "e"))


@given(st.lists(st.integers(0, 20), max_size=60))
def test_whatever_the_table_allows_each_side_keeps_to_its_grammar(choices: list[int]) -> None:
    said, phase = walk(choices)
    opens = sum(frame is FrameType.OPEN for _, frame in said)
    over = opens if phase is Phase.IDLE else opens - 1
    for word, pattern in ((by_side(said, "client"), CLIENT), (by_side(said, "server"), SERVER)):
        if phase is Phase.IDLE:
            assert re.fullmatch(f"({pattern})*", word)
        else:
            assert prefix_of(pattern, word, streams=over)


@given(
    st.lists(
        st.tuples(st.from_regex(CLIENT, fullmatch=True), st.from_regex(SERVER, fullmatch=True), st.randoms()),
        max_size=4,
    )
)
def test_every_stream_of_the_grammar_is_allowed_in_every_interleaving(
    streams: list[tuple[str, str, Random]],
) -> None:
    frames = {letter: frame for frame, letter in WORDS.items()}
    phase = Phase.IDLE
    for client, server, chance in streams:
        ours, theirs = deque(client), deque(server)
        phase = step(phase, "client", frames[ours.popleft()])
        while ours or theirs:
            turn = bool(ours) and (not theirs or chance.random() < 0.5)
            side: Side = "client" if turn else "server"
            phase = step(phase, side, frames[(ours if turn else theirs).popleft()])
        assert phase is Phase.IDLE


@pytest.mark.parametrize("phase", Phase)
@pytest.mark.parametrize(("side", "frame"), ALL, ids=str)
def test_what_the_table_lacks_is_a_violation_that_names_it(
    phase: Phase, side: Side, frame: FrameType
) -> None:
    if (phase, side, frame) in TABLE:
        assert step(phase, side, frame) is TABLE[phase, side, frame]
    else:
        with pytest.raises(ProtocolViolation, match=f"{frame.name} from the {side}"):
            step(phase, side, frame)


def test_every_phase_can_be_reached_and_left_again() -> None:
    def reachable(start: Phase) -> set[Phase]:
        seen, todo = {start}, [start]
        while todo:
            at = todo.pop()
            for (phase, _, _), after in TABLE.items():
                if phase is at and after not in seen:
                    seen.add(after)
                    todo.append(after)
        return seen

    for phase in Phase:
        assert reachable(phase) == set(Phase)


def test_only_the_client_opens_and_only_the_server_answers() -> None:
    assert {side for _, side, frame in TABLE if frame is FrameType.OPEN} == {"client"}
    answers = (FrameType.OPENED, FrameType.REFUSED)
    assert {side for _, side, frame in TABLE if frame in answers} == {"server"}


def test_ping_pong_and_goaway_stand_outside_the_order() -> None:
    outside = {FrameType.PING, FrameType.PONG, FrameType.GOAWAY}
    assert not outside & {frame for _, _, frame in TABLE}


@pytest.mark.parametrize("phase", Phase)
@pytest.mark.parametrize("side", ["client", "server"])
def test_who_may_send_data_may_end_and_reset_and_the_other_way_round(phase: Phase, side: Side) -> None:
    for frame in (FrameType.DATA, FrameType.END, FrameType.RESET):
        assert ((phase, side, frame) in TABLE) is may_speak(phase, side)


@pytest.mark.parametrize("phase", Phase)
def test_a_last_word_is_the_last_until_the_next_open(phase: Phase) -> None:
    sides: tuple[Side, Side] = ("client", "server")
    for side in sides:
        for last in (FrameType.END, FrameType.RESET, FrameType.REFUSED):
            if (phase, side, last) in TABLE:
                assert not may_speak(step(phase, side, last), side)


def test_a_new_stream_begins_only_when_both_have_said_their_last_word() -> None:
    assert [phase for phase, _, frame in TABLE if frame is FrameType.OPEN] == [Phase.IDLE]
    assert not may_speak(Phase.IDLE, "client")
    assert not may_speak(Phase.IDLE, "server")
