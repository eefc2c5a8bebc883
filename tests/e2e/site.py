"""One of the two clusters, by kubectl: what an operator has, and nothing else."""

import json
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

PATIENCE = 60.0
"""Seconds that a busy machine may take for what takes a few as a rule."""


class Failed(AssertionError):
    """A command has ended with another code than 0."""


def run(*command: str, stdin: str | None = None, timeout: float = 180) -> str:
    """What the command prints. Raises Failed with what it said instead."""
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=timeout, check=False)
    if done.returncode:
        shown = " ".join(part if len(part) < 200 else "..." for part in command)
        raise Failed(f"{shown} has ended with {done.returncode}:\n{done.stdout[-2000:]}{done.stderr[-3000:]}")
    return done.stdout


def eventually(holds: Callable[[], object], what: str, *, patience: float = PATIENCE) -> float:
    """Seconds until *holds* returned something true. Raises AssertionError after *patience* seconds."""
    began = time.monotonic()
    last: object = None
    while True:
        try:
            last = holds()
        except Failed as error:
            last = None
            reason = str(error)
        else:
            reason = repr(last)
        if last:
            return time.monotonic() - began
        assert time.monotonic() - began < patience, f"waited {patience:.0f} s in vain for {what}: {reason}"
        time.sleep(0.2)


@dataclass(frozen=True, slots=True)
class Site:
    """A cluster: the name of its context, and commands in it."""

    name: str

    @property
    def trust_domain(self) -> str:
        return f"{self.name}.jackstay"

    def identity(self, account: str, namespace: str = "jackstay") -> str:
        return f"{account}.{namespace}.serviceaccount.identity.jackstay.{self.trust_domain}"

    def kubectl(self, *arguments: str, stdin: str | None = None, timeout: float = 180) -> str:
        return run("kubectl", "--context", self.name, *arguments, stdin=stdin, timeout=timeout)

    def apply(self, manifests: str) -> str:
        return self.kubectl("apply", "-f", "-", stdin=manifests)

    def get(self, kind: str, name: str, namespace: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.kubectl("-n", namespace, "get", kind, name, "-o", "json"))
        return found

    def names(self, kind: str, namespace: str, labels: str = "") -> list[str]:
        """Of all objects of *kind* with these *labels*."""
        listed = self.kubectl("-n", namespace, "get", kind, "-l", labels, "-o", "name")
        return [line.partition("/")[2] for line in listed.split()]

    def rolled_out(self, deployment: str, namespace: str = "jackstay") -> None:
        """Return once all its pods are new and ready."""
        self.kubectl("-n", namespace, "rollout", "status", f"deployment/{deployment}", "--timeout=120s")

    def python(self, pod: str, namespace: str, script: str, *arguments: str, container: str = "") -> str:
        """What *script* prints, run in *container* of *pod*, or in its first."""
        inside = ("exec", "-i", pod, *(("-c", container) if container else ()))
        return self.kubectl("-n", namespace, *inside, "--", "python3", "-", *arguments, stdin=script)

    def conditions(self, link: str, field: str = "status") -> Mapping[str, str]:
        """The Link's conditions: type to status, or to another *field* of it."""
        status = self.get("link", link, "jackstay").get("status", {})
        return {condition["type"]: condition[field] for condition in status.get("conditions", ())}

    def mirrored(self, name: str, namespace: str = "test") -> tuple[set[str], set[str]]:
        """The mirror's addresses, ready and not ready, as `address:port`."""
        ready, not_ready = set(), set()
        for subset in self.get("endpoints", name, namespace).get("subsets") or ():
            for port in subset["ports"]:
                ready |= {f"{one['ip']}:{port['port']}" for one in subset.get("addresses") or ()}
                not_ready |= {f"{one['ip']}:{port['port']}" for one in subset.get("notReadyAddresses") or ()}
        return ready, not_ready
