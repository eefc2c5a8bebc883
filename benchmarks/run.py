"""The order of a run: in each round all contenders are set up anew, and take turns at every scenario."""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks.scenarios import IDLE, SCENARIOS, Sample, Scenario, Sizes, measured
from benchmarks.site import Contender, Site, Way, site


def run(
    contenders: Sequence[Contender],
    sizes: Sizes,
    *,
    scenarios: Sequence[Scenario] = (*SCENARIOS, IDLE),
    say: Callable[[str], None] = print,
) -> list[Sample]:
    """
    All samples, in the order of the rounds.

    Who begins changes with every scenario and round, so that no contender always has the machine
    when it is quiet.
    """
    samples = []
    with (
        tempfile.TemporaryDirectory(prefix="jackstay-benchmarks-") as directory,
        site(Path(directory)) as here,
    ):
        loads = [scenario for scenario in scenarios if scenario is not IDLE]
        for number in range(sizes.rounds if loads else 0):
            with _started(contenders, here) as ways:
                for place, scenario in enumerate(loads):
                    say(f"round {number + 1} of {sizes.rounds}: {scenario.name}")
                    turns = _rotated(_able(ways, scenario), number + place)
                    samples += [measured(scenario, way, here, sizes) for way in turns]
        for number in range(sizes.idle_rounds if IDLE in scenarios else 0):
            with _started(contenders, here) as ways:
                say(f"round {number + 1} of {sizes.idle_rounds}: {IDLE.name}")
                samples += [measured(IDLE, way, here, sizes) for way in _able(ways, IDLE)]
    return samples


@contextmanager
def _started(contenders: Sequence[Contender], here: Site) -> Iterator[list[Way]]:
    with ExitStack() as started:
        yield [started.enter_context(contender.start(here)) for contender in contenders]


def _able(ways: Sequence[Way], scenario: Scenario) -> list[Way]:
    return [way for way in ways if way.door is not None or not scenario.needs_door]


def _rotated(ways: Sequence[Way], by: int) -> list[Way]:
    by %= len(ways) or 1
    return [*ways[by:], *ways[:by]]
