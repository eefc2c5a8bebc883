"""
Load makers that are not ours, as a second opinion: `wrk` for HTTP requests, `iperf3` for bytes.

Neither looks at the bytes that come back. wrk counts answers that are not 200 and sockets that broke,
iperf3 ends with an error; both are wrong answers here.
"""

import json
import subprocess
from dataclasses import dataclass, replace

from benchmarks.load import Outcome
from benchmarks.programs import located
from benchmarks.samples import Meter, Sample, Sizes, sample
from benchmarks.site import Place, Site, Way, address

REPORT = """
done = function(summary, latency, requests)
  local e = summary.errors
  io.write(string.format("\\n{\\"requests\\": %d, \\"microseconds\\": %d, \\"wrong\\": %d}\\n",
    summary.requests, summary.duration, e.connect + e.read + e.write + e.status + e.timeout))
end
"""
_PATIENCE = 60.0
_LEAST = 100_000_000
"""Bytes for iperf3: what buffers on the way still hold when its client ends is not counted, up to 10 MB."""


@dataclass(frozen=True, slots=True)
class Tool:
    """A load maker of others, and what brings it."""

    program: str
    package: str
    rows: str

    @property
    def here(self) -> bool:
        return located(self.program) is not None


WRK = Tool("wrk", "wrk", "requests by wrk")
IPERF3 = Tool("iperf3", "iperf3", "bytes by iperf3")
TOOLS = (WRK, IPERF3)


def wrk_argv(place: Place, seconds: int, connections: int, script: str, *, close: bool) -> list[str]:
    header = ["-H", "Connection: close"] if close else []
    program = located("wrk") or "wrk"
    times = ["-t", "1", "-c", str(connections), "-d", f"{seconds}s"]
    return [program, *times, *header, "-s", script, f"http://{address(place)}/"]


def wrk_outcome(output: str) -> Outcome:
    """What the script above has printed last. Raises ValueError and KeyError."""
    said = json.loads(output.strip().splitlines()[-1])
    return Outcome(int(said["requests"]), int(said["wrong"]), said["microseconds"] / 1e6)


def wrk_kept(way: Way, site: Site, sizes: Sizes) -> Sample:
    return _wrk("wrk, kept open", way, site, sizes, close=False)


def wrk_closed(way: Way, site: Site, sizes: Sizes) -> Sample:
    return _wrk("wrk, closed", way, site, sizes, close=True)


def _wrk(name: str, way: Way, site: Site, sizes: Sizes, *, close: bool) -> Sample:
    script = str(site.file("wrk.lua", REPORT))
    argv = wrk_argv(way.entrance, sizes.makers_seconds, sizes.open_connections, script, close=close)
    with Meter(way) as meter:
        said = subprocess.run(
            argv, capture_output=True, text=True, check=False, timeout=sizes.makers_seconds + _PATIENCE
        )
    if said.returncode:
        raise OSError(f"wrk: {said.stderr.strip() or said.stdout.strip()}")
    outcome = wrk_outcome(said.stdout)
    done = sample(name, way, meter, outcome)
    return replace(done, figures={"rate": outcome.right / outcome.seconds})


def iperf3_argv(place: Place, size: int, *, down: bool) -> list[str]:
    reverse = ["--reverse"] if down else []
    host, port = place
    program = located("iperf3") or "iperf3"
    return [program, "--json", "--client", host, "--port", str(port), "--bytes", str(size), *reverse]


def iperf3_outcome(output: str) -> Outcome:
    """Bytes that the receiver has counted. Raises OSError with what iperf3 says went wrong."""
    said = json.loads(output)
    if "error" in said:
        raise OSError(f"iperf3: {said['error']}")
    received = said["end"]["sum_received"]
    return Outcome(int(received["bytes"]), 0, float(received["seconds"]))


def iperf3_down(way: Way, site: Site, sizes: Sizes) -> Sample:
    return _iperf3("iperf3, downwards", way, sizes, down=True)


def iperf3_up(way: Way, site: Site, sizes: Sizes) -> Sample:
    return _iperf3("iperf3, upwards", way, sizes, down=False)


def _iperf3(name: str, way: Way, sizes: Sizes, *, down: bool) -> Sample:
    argv = iperf3_argv(way.entrance, max(sizes.bulk, _LEAST), down=down)
    with Meter(way) as meter:
        said = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=_PATIENCE)
    return sample(name, way, meter, iperf3_outcome(said.stdout), unit=1e9)
