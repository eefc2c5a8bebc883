"""The settings of the two ends, read once at the start and passed down."""

from dataclasses import dataclass, field

from gateway.buffers import MOST_HELD
from gateway.pump import PumpLimits


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadlines:
    """How long a stage of a connection may take, in seconds."""

    first_byte: float = 5.0
    """From accept to the first byte of a peer; nothing is allocated for it before."""

    handshake: float = 10.0
    """A whole handshake, wall clock."""

    first_frame: float = 5.0
    """From the end of the handshake to the first frame."""

    transport_header: float = 10.0
    """From the end of the handshake to a whole transport header, as linkerd2-proxy waits."""

    silence: float = 60.0
    """An idle tunnel whose client has not even sent a PING."""

    refused: float = 5.0
    """From REFUSED to the client's last word."""

    connect: float = 1.0
    """One try to connect to an endpoint or a gateway, as long as there is another one to try."""

    connect_total: float = 2.5
    """All tries together."""

    pump: PumpLimits = field(default_factory=PumpLimits)


@dataclass(frozen=True, slots=True, kw_only=True)
class Drain:
    """How a process ends once it has been asked to."""

    delay: float = 0.0
    """Seconds for which connections are still accepted, since load balancers still send them."""

    timeout: float = 25.0
    """Seconds for which streams may go on after that; what is left is reset."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InboundSettings:
    """The gateway's end."""

    cluster: str = ""
    """Our cluster's name; a client that believes to reach another one is refused."""

    cluster_domain: str = "cluster.local"
    """What the names of services end with that peers ask for by SNI."""

    allow_loopback: bool = False
    """Whether backends may be on this machine, also where the routes do not say so."""

    most_connections: int = 10_000
    """Peers' connections at once; the next one is refused."""

    most_tunnels_per_identity: int = 9000
    """Connections of one identity at once, a tunnel each as a rule; the next one is closed: others get in."""

    most_streams_per_identity: int = 9000
    """Streams of one identity at once; the next one is refused."""

    most_held_bytes: int = MOST_HELD
    """Bytes held for receivers that take none; above, new streams are refused. Above half, small reads."""

    max_identity_overrun: float = 3600.0
    """Seconds for which streams run on whose peer's certificate would not be taken any more."""

    rotation_spread: float = 30.0
    """Seconds over which, once our certificate is another one, peers are asked to come back under it."""

    deadlines: Deadlines = field(default_factory=Deadlines)
    drain: Drain = field(default_factory=Drain)


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolSettings:
    """The tunnels that are kept ready."""

    warm: int = 2
    """Idle tunnels made ahead of need, for each gateway address."""

    most: int = 10_000
    """Tunnels to one gateway address; a connection that would need one more is refused."""

    ping_every: float = 10.0
    """Seconds of silence after which an idle tunnel is asked whether it lives."""

    ping_timeout: float = 3.0

    unused: float = 300.0
    """Seconds after which a tunnel that nobody needed is closed."""

    retire_after: int = 64 * 1024**3
    """Bytes after which a tunnel is replaced."""

    rotation_spread: float = 30.0
    """Seconds over which, once our certificate is another one, tunnels are replaced."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboundSettings:
    """The client's end."""

    allow_loopback: bool = False
    """Whether gateways may be on this machine."""

    most_connections: int = 10_000
    """Applications' connections at once; the next one is refused."""

    tries: int = 3
    """How many tunnels one connection may try, while no byte of it can have reached a backend."""

    most_held_bytes: int = MOST_HELD
    """Bytes held for receivers that take none; above, new streams are refused. Above half, small reads."""

    max_identity_overrun: float = 3600.0
    """Seconds for which streams run on whose gateway's certificate would not be taken any more."""

    pool: PoolSettings = field(default_factory=PoolSettings)
    deadlines: Deadlines = field(default_factory=Deadlines)
    drain: Drain = field(default_factory=Drain)
