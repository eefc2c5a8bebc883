"""
`make bench`, `make bench-quick`: measure, and write JSON, Markdown and pictures.

    python -m benchmarks quick [--only WORD] [--results DIRECTORY]
    python -m benchmarks plot [JSON...]
    python -m benchmarks profile [--only WORD]
    python -m benchmarks rotation [--seconds N] [--spread N]
    python -m benchmarks handshakes [--seconds N] [--results DIRECTORY]
    python -m benchmarks renewal [--proxies N] [--results DIRECTORY]
    python -m benchmarks mirror [--services N ...] [--server local|real] [--quick] [--results DIRECTORY]
    python -m benchmarks identity [--seconds N] [--kubeconfig FILE] [--results DIRECTORY]
"""

import argparse
import signal
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks import handshakes, identity, mirror, renewal, rotation
from benchmarks.direct import DIRECT
from benchmarks.held import bounded, descriptors
from benchmarks.machine import described
from benchmarks.makers import TOOLS, Tool
from benchmarks.mirror_clusters import Server
from benchmarks.mirror_stage import QUICK as QUICK_MIRROR
from benchmarks.mirror_stage import Size
from benchmarks.ours import OURS
from benchmarks.peers import at_hand
from benchmarks.plot import plot
from benchmarks.profile import profile
from benchmarks.run import run
from benchmarks.samples import FULL, QUICK
from benchmarks.scenarios import chosen
from benchmarks.site import Contender
from benchmarks.table import rows, to_json, to_markdown

SIZES = {"quick": QUICK, "full": FULL}
RESULTS = Path(__file__).parent / "results"


def main(arguments: Sequence[str]) -> int:
    """1 if something was wrong or missing in an answer, else 0."""
    given = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # through every block: all programs end
    if given.command == "plot":
        for path in given.json or [path for path in sorted(RESULTS.glob("*.json")) if path.stem in SIZES]:
            plot(path)
        return 0
    if given.command == "identity":
        return identity.run(given.seconds, given.results, given.kubeconfig)
    if given.command == "profile":
        return 0 if profile(chosen(given.only, full=True), FULL) else 1
    if given.command == "rotation":
        return rotation.run(given.results, seconds=given.seconds, spread=given.spread)
    if given.command == "handshakes":
        return handshakes.measure(given.results, seconds=given.seconds)
    if given.command == "mirror":
        return _mirror(given)
    if given.command == "renewal":
        return renewal.measure(given.proxies, given.results)
    return _measure(given.command, given.only, given.results)


def _mirror(given: argparse.Namespace) -> int:
    size = QUICK_MIRROR if given.quick else Size()
    if given.services:
        size = replace(size, services=given.services)
    words = ["python -m benchmarks mirror", *(["--quick"] if given.quick else [])]
    words += [f"--server {given.server}"] if given.server else []
    words += [f"--services {' '.join(map(str, given.services))}"] if given.services else []
    servers: Sequence[Server] = [given.server] if given.server else ["local", "real"]
    return mirror.measure(servers, size, given.results, " ".join(words))


def _measure(size: str, only: str, results: Path) -> int:
    here, missing = at_hand()
    _name_missing(missing, TOOLS if size == "full" else ())
    if words := bounded(SIZES[size].held, descriptors()):
        print(words)
    machine = described(here)
    samples = run([OURS, *here, DIRECT], SIZES[size], scenarios=chosen(only, full=size == "full"))
    names = [peer.name for peer in here]
    table = rows(samples, names)
    markdown = to_markdown(table, names, machine, f"python -m benchmarks {size}")
    results.mkdir(parents=True, exist_ok=True)
    (results / f"{size}.json").write_text(to_json(table, machine))
    (results / f"{size}.md").write_text(markdown)
    print(f"\n{markdown}")
    plot(results / f"{size}.json")
    return 1 if any(row.wrong for row in table) else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="Measure ours beside its peers."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for size, words in (("quick", "under 3 minutes"), ("full", "more rounds, larger loads, more rows")):
        one = commands.add_parser(size, help=words)
        one.add_argument("--only", default="", metavar="WORD", help="only scenarios whose name contains it")
        _results(one)
    pictures = commands.add_parser("plot", help="pictures of what was measured before")
    pictures.add_argument(
        "json", type=Path, nargs="*", help="of which runs; else of all in benchmarks/results"
    )
    shares = commands.add_parser("profile", help="where our gateway's end spends its time, by perf")
    shares.add_argument("--only", default="", metavar="WORD", help="only scenarios whose name contains it")
    replaced = commands.add_parser("rotation", help="leaf, issuer and trust anchor replaced under load")
    replaced.add_argument("--seconds", type=float, default=5.0, help="of load before and after")
    replaced.add_argument(
        "--spread", type=float, default=10.0, help="seconds over which tunnels are replaced"
    )
    _results(replaced)
    kinds = commands.add_parser("handshakes", help="at our gateway, by kind of key and length of chain")
    kinds.add_argument("--seconds", type=float, default=3.0, metavar="N", help="for each row")
    _results(kinds)
    renewing = commands.add_parser("renewal", help="certificates of many proxies, renewed at once")
    renewing.add_argument("--proxies", type=int, default=1000, metavar="N", help="how many")
    _results(renewing)
    mirroring = commands.add_parser("mirror", help="services mirrored between two API servers; 25 minutes")
    mirroring.add_argument("--services", type=int, nargs="+", metavar="N", help="how many are exported")
    mirroring.add_argument("--server", choices=("local", "real"), help="which API servers; else both")
    mirroring.add_argument("--quick", action="store_true", help="small loads, to see that it works")
    _results(mirroring)
    issuing = commands.add_parser("identity", help="the identity service, four ways")
    issuing.add_argument("--seconds", type=float, default=5.0, metavar="N", help="for each way")
    issuing.add_argument("--kubeconfig", type=Path, metavar="FILE", help="a cluster to review tokens")
    _results(issuing)
    return parser


def _results(command: argparse.ArgumentParser) -> None:
    command.add_argument("--results", type=Path, default=RESULTS, metavar="DIRECTORY", help="where to write")


def _name_missing(missing: Sequence[Contender], tools: Sequence[Tool]) -> None:
    for peer in missing:
        if not peer.package:
            print(f"{peer.name} may be added: it takes part where it is on the PATH")
            continue
        print(f"{peer.name} is not here and takes no part; to have it: apt-get install {peer.package}")
    for tool in tools:
        if not tool.here:
            print(f"{tool.program} is not here, so there are no rows of {tool.rows}; ", end="")
            print(f"to have it: apt-get install {tool.package}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
