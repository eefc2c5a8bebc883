"""No proxy at all: the floor."""

from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.site import Contender, Site, Way


@contextmanager
def connection(site: Site) -> Iterator[Way]:
    yield Way("direct", site.backend)


DIRECT = Contender("direct", connection)
