"""No proxy at all: the floor."""

from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.delay import far
from benchmarks.site import Contender, Site, Way


@contextmanager
def connection(site: Site) -> Iterator[Way]:
    with far(site, site.backend) as near:
        yield Way("direct", near)


DIRECT = Contender("direct", connection)
