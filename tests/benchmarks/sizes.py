"""The least of everything, for runs that only show that it works."""

from dataclasses import replace

from benchmarks.samples import QUICK

TINY = replace(
    QUICK,
    rounds=1,
    new_connections=20,
    unshared=20,
    small_requests=100,
    bulk=2_000_000,
    handshakes=4,
    idle_connections=5,
    idle_rounds=1,
    held=(3, 6),
    silent=20,
    newcomers=4,
    storm=0.2,
    message_sizes=(1, 1 << 20),
    echoed=20,
    makers_seconds=1,
    far=2,
)
