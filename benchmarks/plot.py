"""`python -m benchmarks plot`: pictures from the JSON of a run, where matplotlib is installed."""

import json
from importlib.util import find_spec
from pathlib import Path

HOW_TO = "no pictures: matplotlib is not here; to have it: pip install -e '.[benchmarks]'"


def plot(results: Path) -> list[Path]:
    """The pictures of the JSON *results*, beside it; says so and makes none without matplotlib."""
    if find_spec("matplotlib") is None:
        print(HOW_TO)
        return []
    from benchmarks import pictures  # only here: it needs matplotlib

    made = pictures.draw(json.loads(results.read_text()), results.with_suffix(""))
    for path in made:
        print(f"drawn: {path}")
    return made
