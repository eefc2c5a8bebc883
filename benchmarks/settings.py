"""What a setting changes at the site, before anybody is started there."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from benchmarks.programs import located, running
from benchmarks.samples import Setting
from benchmarks.site import Site

ONE_WAY = 0.035
"""Seconds, for a round trip of 70 ms."""


@contextmanager
def prepared(site: Site, setting: Setting) -> Iterator[Site]:
    """The site as it is for *setting*. Raises DidNotStart."""
    match setting:
        case Setting.FAR:
            yield replace(site, delay=ONE_WAY)
        case Setting.TWO_WORKERS:
            yield replace(site, workers=2)
        case Setting.UNSHARED:
            yield replace(site, reuse=False)
        case Setting.IPERF3:
            host, port = backend = site.place()
            argv = [located("iperf3") or "iperf3", "--server", "--bind", host, "--port", str(port)]
            with running(argv, site.directory / "iperf3.log", listens=[backend]):
                yield replace(site, backend=backend)
        case _:
            yield site
