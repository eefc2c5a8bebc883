"""
Where `cluster/local` and a real API server differ, so that a test can be asked of one of them only.

Everything else in this folder runs on both. Where they would differ beyond this list, the small one is
wrong. `test_differences` holds that each entry is used.
"""

from collections.abc import Callable, Mapping
from typing import TypeVar

import pytest

T = TypeVar("T", bound=Callable[..., object])

DIFFERENCES: Mapping[str, str] = {
    "schemas": (
        "A real API server refuses a Link that its CustomResourceDefinition does not allow; the small one "
        "judges no custom resource, so that whoever reads one is tried on what older servers let through."
    ),
    "endpoints on loopback": (
        "A real API server takes no endpoints at loopback addresses; the small one does where it is told to, "
        "for the demo's pods are there."
    ),
    "controllers": (
        "Beside the real API servers here no controller runs, so that what was owned stays, and a deleted "
        "namespace too; the small one does at once what controllers would do."
    ),
    "pods on loopback": (
        "A real API server asks no pod at a loopback address; the small one does: the demo's pods are there."
    ),
}
"""What is different, and why it stays so."""


def local_only(difference: str) -> Callable[[T], T]:
    """The test is asked of `cluster/local` alone."""
    return _on("local", difference)


def real_only(difference: str) -> Callable[[T], T]:
    """The test is asked of a real API server alone."""
    return _on("real", difference)


def _on(where: str, difference: str) -> Callable[[T], T]:
    if difference not in DIFFERENCES:
        raise ValueError(f"{difference!r} is not on the list of differences: {', '.join(DIFFERENCES)}")
    return pytest.mark.only_on(where, because=DIFFERENCES[difference])
