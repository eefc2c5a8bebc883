"""What can be set of a mirror."""

from dataclasses import dataclass

from cluster.watch import Pace


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Read once, at the start; passed down, never looked up."""

    namespace: str = "jackstay"
    """Where the Links, their Secrets and the Lease are."""

    cluster_domain: str = "cluster.local"
    """The DNS zone of a linked cluster whose Link does not say."""

    allow_loopback: bool = False
    """Whether gateways and API servers may be on this machine, as in the demo."""

    most_mirrors: int = 10_000
    """How many Services one Link may mirror."""

    create_namespaces: bool = False
    """Whether a namespace that a mirror needs and that is missing is made."""

    writes_at_once: int = 16
    """Mirrors of one Link that are written at the same time."""

    refresh: float = 30.0
    """Seconds after which the gateway's names are resolved again."""

    status_pause: float = 1.0
    """Seconds that lie at least between two writes of one Link's status."""

    hiccup: float = 1.0
    """Seconds for which a linked cluster may be away before that is told: watches are cut now and then."""

    patience: float = 30.0
    """Seconds after which, with a linked cluster away, its mirrors no longer count as true."""

    gather: float = 0.01
    """Seconds for which changes are gathered before anybody looks at them."""

    lease_retry: float = 2.0
    """Seconds between two tries to take or renew the Lease."""

    pace: Pace = Pace()  # noqa: RUF009 - frozen
    """How lists and watches go on."""
