"""The order of a run: in each round all contenders are set up anew, and take turns at every scenario."""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks.samples import Sample, Scenario, Setting, Sizes
from benchmarks.scenarios import SCENARIOS, measured
from benchmarks.settings import prepared
from benchmarks.site import Contender, Site, Way, site


def run(
    contenders: Sequence[Contender],
    sizes: Sizes,
    *,
    scenarios: Sequence[Scenario] = SCENARIOS,
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
        site(Path(directory), newcomers=sizes.newcomers) as here,
    ):
        for number in range(sizes.rounds):
            together = [one for one in scenarios if one.setting is Setting.TOGETHER]
            with _started(contenders if together else (), here) as ways:
                for place, scenario in enumerate(together):
                    say(f"round {number + 1} of {sizes.rounds}: {scenario.name}")
                    turns = _rotated(_able(ways, scenario), number + place)
                    samples += [measured(scenario, way, here, sizes) for way in turns]
        for number in range(sizes.idle_rounds):
            for scenario in scenarios:
                if scenario.setting is not Setting.TOGETHER:
                    with prepared(here, scenario.setting) as there, _started(contenders, there) as ways:
                        say(f"round {number + 1} of {sizes.idle_rounds}: {scenario.name}")
                        samples += [measured(scenario, way, there, sizes) for way in _able(ways, scenario)]
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
