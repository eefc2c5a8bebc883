"""The house: which package may import which. The arrows of ARCHITECTURE.md, and no others."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

HOUSE = Path(__file__).parents[1]
ARROWS: dict[str, set[str]] = {
    "process": set(),
    "certs": {"process"},
    "gateway": {"certs", "process"},
    "cluster": {"certs", "process"},
    "mirror": {"cluster", "gateway.routes", "process"},
    "cli": {"certs", "cluster", "gateway", "mirror", "process"},
    "benchmarks": {"certs", "cli", "cluster", "gateway", "mirror", "process"},
}
OURS = {*ARROWS, "tests"}
ONLY_CLUSTER = "kubernetes_asyncio"


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """(line, module) of each import in *path*; `from a import b` also counts as a.b."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: imports here are absolute"
            assert node.module is not None
            yield node.lineno, node.module
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def allowed(room: str, module: str) -> bool:
    top = module.partition(".")[0]
    if top not in OURS or top == room:
        return True
    arrows = ARROWS[room]
    return top in arrows or any(module == arrow or module.startswith(f"{arrow}.") for arrow in arrows)


def modules(room: str) -> list[Path]:
    return sorted((HOUSE / room).rglob("*.py"))


@pytest.mark.parametrize("room", ARROWS)
def test_a_room_imports_only_along_the_arrows(room: str) -> None:
    wrong = [
        f"{path.relative_to(HOUSE)}:{line} imports {module}"
        for path in modules(room)
        for line, module in imports(path)
        # `from gateway import routes` names the package on the way to what is allowed.
        if not allowed(room, module) and not any(arrow.startswith(f"{module}.") for arrow in ARROWS[room])
    ]
    assert not wrong


@pytest.mark.parametrize("room", sorted(ARROWS.keys() - {"cluster"}))
def test_only_cluster_knows_the_kubernetes_library(room: str) -> None:
    assert not [path for path in modules(room) for _, module in imports(path) if ONLY_CLUSTER in module]


def test_every_room_exists() -> None:
    assert {room for room in ARROWS if modules(room)} == ARROWS.keys()
