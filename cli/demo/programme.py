"""What is said about the demo: a line per step while it runs, verdicts, and what to try next."""

import asyncio
import shlex
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from cli.demo.objects import PODINFO, TEST
from cli.demo.processes import Child, jackstay
from cli.demo.stage import Stage
from cli.manifests import EXPORTED_LABEL


@dataclass(frozen=True, slots=True)
class Verdict:
    """How one step of the story went."""

    name: str
    ok: bool
    seconds: float
    detail: str
    """What was seen; of a failed step also the end of the logs that matter."""


def as_object(verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """The verdicts for programs."""
    return {"ok": all(verdict.ok for verdict in verdicts), "steps": [asdict(verdict) for verdict in verdicts]}


def as_running(verdicts: Sequence[Verdict], stage: Stage, url: str) -> dict[str, Any]:
    """The verdicts of a demo that keeps running, and how to use it."""
    return {
        **as_object(verdicts),
        "kubeconfigs": {site.name: str(site.kubeconfig) for site in stage.sites},
        "urls": {f"{PODINFO}-east": url},
        "processes": [
            {"name": child.name, "pid": child.pid, "argv": list(child.argv)}
            for child in stage.processes.children
        ],
    }


def to_try(stage: Stage, url: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """What to try next: a sentence, and lines that work when pasted."""
    kubeconfigs = ":".join(str(site.kubeconfig) for site in stage.sites)
    client = f"openssl s_client -quiet -no_ign_eof -connect {stage.east.gateway} -alpn jackstay/1"
    client += f" -CAfile {_quoted(stage.anchor.certificate)}"
    chain = _quoted(stage.client.certificate)
    shown = f"-cert {chain} -cert_chain {chain} -key {_quoted(stage.client.key)}"
    ping = "(printf '\\10\\0\\0\\4pong'; sleep 1) |"  # a frame PING, as in observe.PING
    yield (
        "Both clusters:",
        (
            f"export KUBECONFIG={_quoted(kubeconfigs)}",
            f"kubectl --context west -n {TEST} get services,endpoints",
            "kubectl --context west -n jackstay get links",
        ),
    )
    yield (
        "From west, answered in east:",
        (
            f"curl -s {url}/",
            f"curl -s {url}/bytes/1000000000 | sha256sum",
            f"head -c 100000000 /dev/zero | curl -s -X POST -T - {url}/sum",
        ),
    )
    yield (
        "Withdraw the export, and export again:",
        (
            f"kubectl --context east -n {TEST} label service {PODINFO} {EXPORTED_LABEL}-",
            f"kubectl --context east -n {TEST} label service {PODINFO} {EXPORTED_LABEL}=true",
        ),
    )
    yield (
        "The mirror deleted by hand comes back:",
        (f"kubectl --context west -n {TEST} delete service {PODINFO}-east",),
    )
    yield (
        "Who shows no certificate is refused; a workload of west's has its ping answered with a pong:",
        (f"{ping} {client}", f"{ping} {client} {shown}"),
    )
    anchors = f"--trust-anchors {_quoted(stage.anchor.certificate)}"
    yield (
        "Gateways and certificates:",
        (
            f"{our_command()} gateways --context west",
            f"{our_command()} certs inspect {_quoted(stage.files('gateway').certificate)} {anchors}",
        ),
    )


def our_command() -> str:
    """How a person at this terminal calls us."""
    ours = jackstay()
    return "jackstay" if shutil.which("jackstay") == ours[0] else shlex.join(ours)


def ended(child: Child) -> str:
    """What is said when a process of a demo that keeps running has ended."""
    again = shlex.join(child.argv)
    return f"{child.name} (pid {child.pid}) ended with {child.ended}; to start it again: {again}"


def _quoted(path: object) -> str:
    return shlex.quote(str(path))


class Programme:
    """Says on *console* what happens: live on a terminal, plain lines elsewhere."""

    def __init__(self, console: Console) -> None:
        self.console = console
        unicode = console.encoding.lower().startswith("utf")
        self._marks = {True: "✓" if unicode else "ok", False: "✗" if unicode else "FAILED"}

    @contextmanager
    def showing(self, title: str) -> Iterator[None]:
        """While the block runs, a terminal shows that this goes on."""
        if not self.console.is_terminal:
            yield
            return
        # No thread of rich's: processes are forked while this runs.
        with Live(Spinner("dots", title), console=self.console, transient=True, auto_refresh=False) as live:
            turning = asyncio.ensure_future(_turn(live))
            try:
                yield
            finally:
                turning.cancel()

    def say(self, title: str, verdict: Verdict) -> None:
        """The verdict of a step that is over."""
        line = Text.assemble(
            (f"{self._marks[verdict.ok]} ", "bold green" if verdict.ok else "bold red"),
            (title, "bold"),
            (f"  {verdict.seconds:.1f} s", "dim"),
        )
        self.console.print(line, soft_wrap=True)
        for detail in verdict.detail.splitlines():
            self.console.print(Text(f"    {detail}", "dim" if verdict.ok else "red"), soft_wrap=True)

    def line(self, text: str = "", style: str = "") -> None:
        self.console.print(Text(text, style), soft_wrap=True)

    def end(self, verdicts: Sequence[Verdict]) -> None:
        """The sum of it."""
        seconds = sum(verdict.seconds for verdict in verdicts)
        failed = [verdict.name for verdict in verdicts if not verdict.ok]
        self.line()
        if failed:
            self.line(f"{', '.join(failed)} did not come true.", "bold red")
        else:
            self.line(f"All {len(verdicts)} steps held, in {seconds:.1f} s.", "bold green")

    def try_next(self, stage: Stage, url: str) -> None:
        """How to go on by hand."""
        self.line(f"\nLogs, keys and kubeconfigs are in {stage.directory}")
        for sentence, lines in to_try(stage, url):
            self.line(f"\n{sentence}", "bold")
            for line in lines:
                self.line(f"  {line}", "cyan")


async def _turn(live: Live) -> None:
    while True:
        live.refresh()
        await asyncio.sleep(0.1)
