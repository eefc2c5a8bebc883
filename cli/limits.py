"""
The flags for every deadline and bound of the data path: one table a command, defaults from the settings.

A command is decorated with `flags(TABLE)`, takes `**limits`, and makes its settings of them by `chosen`.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Annotated, Any, Literal

import typer

from gateway.pump import PumpLimits
from gateway.settings import Deadlines, InboundSettings, OutboundSettings, PoolSettings

PANEL = "Limits"
Holder = Literal["deadlines", "pump", "pool", "inbound", "outbound"]

_DEFAULTS: Mapping[Holder, object] = {
    "deadlines": Deadlines(),
    "pump": PumpLimits(),
    "pool": PoolSettings(),
    "inbound": InboundSettings(),
    "outbound": OutboundSettings(),
}


@dataclass(frozen=True, slots=True)
class Limit:
    """One flag: what it is called, and the field of the settings that it sets."""

    flag: str
    holder: Holder
    field: str
    help: str
    metavar: str = "SECONDS"
    least: float = 0.001

    @property
    def name(self) -> str:
        """As a parameter."""
        return self.flag.replace("-", "_")

    @property
    def default(self) -> float:
        value = getattr(_DEFAULTS[self.holder], self.field)
        assert isinstance(value, int | float)
        return value

    @property
    def parameter(self) -> inspect.Parameter:
        least = int(self.least) if isinstance(self.default, int) else self.least
        option = typer.Option(
            f"--{self.flag}", min=least, metavar=self.metavar, help=self.help, rich_help_panel=PANEL
        )
        return inspect.Parameter(
            self.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=self.default,
            annotation=Annotated[type(self.default), option],
        )


_BOTH = (
    Limit("handshake-timeout", "deadlines", "handshake", "A whole handshake."),
    Limit("connect-timeout", "deadlines", "connect", "One try to connect, while there is another to try."),
    Limit("connect-total-timeout", "deadlines", "connect_total", "All tries to connect together."),
    Limit("idle-timeout", "pump", "idle", "A stream on which no byte moves."),
    Limit("half-closed-timeout", "pump", "half_closed", "The same once one of its directions has ended."),
    Limit("stalled-timeout", "pump", "stalled", "A receiver that takes none of the bytes that wait for it."),
)

GATEWAY = (
    Limit("first-byte-timeout", "deadlines", "first_byte", "From accept to a peer's first byte."),
    Limit("first-frame-timeout", "deadlines", "first_frame", "From the handshake to the first frame."),
    Limit("transport-header-timeout", "deadlines", "transport_header", "The same for the header of Linkerd."),
    Limit("silence-timeout", "deadlines", "silence", "An idle tunnel whose client does not even PING."),
    Limit("last-word-timeout", "deadlines", "refused", "From a refusal to the client's last word."),
    *_BOTH,
    Limit("most-connections", "inbound", "most_connections",
          "Peers' connections at once, and as many silent ones; the next one is refused.", "N", 1),
    Limit("most-tunnels-per-identity", "inbound", "most_tunnels_per_identity",
          "Connections of one identity at once; the next one is closed.", "N", 1),
    Limit("most-streams-per-identity", "inbound", "most_streams_per_identity",
          "Streams of one identity at once; the next one is refused.", "N", 1),
    Limit("most-held-bytes", "inbound", "most_held_bytes",
          "Bytes held for receivers that take none; above, new streams are refused.", "BYTES", 1),
    Limit("max-identity-overrun", "inbound", "max_identity_overrun",
          "Streams whose peer's certificate has ended, or has no anchor any more."),
    Limit("rotation-spread", "inbound", "rotation_spread",
          "Over which peers are asked to come back under a new certificate of ours."),
)  # fmt: skip

OUTBOUND = (
    *_BOTH,
    Limit("answer-timeout", "pump", "answer", "From asking a gateway for a stream to its answer."),
    Limit("tries", "outbound", "tries", "Tunnels that one connection may try.", "N", 1),
    Limit("most-connections", "outbound", "most_connections",
          "Applications' connections at once, for each target.", "N", 1),
    Limit("warm-tunnels", "pool", "warm", "Idle tunnels kept ready, for each gateway address.", "N", 0),
    Limit("most-tunnels", "pool", "most", "Tunnels to one gateway address.", "N", 1),
    Limit("ping-every", "pool", "ping_every", "Silence after which an idle tunnel is asked if it lives."),
    Limit("ping-timeout", "pool", "ping_timeout", "How long it may take to answer."),
    Limit("unused-timeout", "pool", "unused", "An idle tunnel that nobody needed."),
    Limit("retire-after", "pool", "retire_after", "What a tunnel carries before it is replaced.", "BYTES", 1),
    Limit("most-held-bytes", "outbound", "most_held_bytes",
          "Bytes held for receivers that take none; above, new streams are refused.", "BYTES", 1),
    Limit("max-identity-overrun", "outbound", "max_identity_overrun",
          "Streams whose gateway's certificate has ended, or has no anchor any more."),
    Limit("rotation-spread", "pool", "rotation_spread",
          "Over which tunnels are replaced under a new certificate of ours."),
)  # fmt: skip


def flags(table: Sequence[Limit]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command, which takes them as `**limits`, the flags of *table*."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        own = [
            parameter
            for parameter in inspect.signature(command, eval_str=True).parameters.values()
            if parameter.kind is not inspect.Parameter.VAR_KEYWORD
        ]
        parameters = [*own, *(limit.parameter for limit in table)]

        @wraps(command)
        def decorated(**values: Any) -> None:
            command(**values)

        described: Any = decorated
        described.__signature__ = inspect.Signature(parameters)
        described.__annotations__ = {one.name: one.annotation for one in parameters}
        return decorated

    return decorate


def chosen(table: Sequence[Limit], values: Mapping[str, float], holder: Holder) -> dict[str, Any]:
    """The fields of *holder* that *values* set, for its constructor."""
    return {limit.field: values[limit.name] for limit in table if limit.holder == holder}
