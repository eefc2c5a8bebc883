"""What the workers of all Links share."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from cluster.event_recorder import Happening
from mirror.gateway_addresses import Resolver
from mirror.home import Home
from mirror.metrics import Metrics
from mirror.probing import Probe
from mirror.settings import Settings


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Handed down once, and read only."""

    home: Home
    settings: Settings
    may_write: Callable[[], bool]
    probe: Probe
    resolver: Resolver
    metrics: Metrics
    tell: Callable[[Happening], None]
    """Have our own cluster know it by an Event."""

    clock: Callable[[], float] = time.monotonic
    chance: Callable[[], float] = random.random
