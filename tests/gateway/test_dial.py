"""Addresses tried one after the other, over real sockets on addresses of this machine."""

import asyncio
import os
import resource
import socket
import struct
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from gateway import dial as dialling
from gateway.connecting import connect, resolve
from gateway.dial import dial
from gateway.refusals import BackendUnreachable, OverLimit
from gateway.wire import Wire
from process.address import Address

PATIENCE = 30.0
"""Seconds that no test needs: whoever waits so long has failed."""


@contextmanager
def listening(host: str = "127.0.0.1") -> Iterator[Address]:
    """An address that takes connections; nobody accepts them."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family) as server:
        yield Address(host, server.getsockname()[1])


@contextmanager
def closed(host: str = "127.0.0.1") -> Iterator[Address]:
    """An address that is ours, so that nobody else takes it, and where nobody listens."""
    with socket.socket() as bound:
        bound.bind((host, 0))
        yield Address(host, bound.getsockname()[1])


@contextmanager
def full() -> Iterator[Address]:
    """An address that answers nothing: its queue has room for one, and others wait already."""
    with ExitStack() as stack:
        server = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(server.getsockname())
        yield Address(*server.getsockname())


@contextmanager
def no_descriptor_left() -> Iterator[None]:
    """The next one that this process asks for is one too many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    os.close(lowest := os.dup(0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def dialled(*addresses: Address, each: float = PATIENCE, total: float = PATIENCE) -> Address:
    """The one of *addresses* that was reached."""
    wire, address = await dial(addresses, each=each, total=total, allow_loopback=True)
    try:
        assert isinstance(wire, Wire)
        assert wire.remote.port == address.port
    finally:
        wire.close()
    return address


async def test_the_first_address_that_takes_a_connection_is_the_one() -> None:
    with listening() as first, listening("127.0.0.2") as second:
        assert await dialled(first, second) == first


async def test_an_address_that_refuses_is_passed_over() -> None:
    with closed() as nobody, closed("127.0.0.3") as nobody_else, listening() as somebody:
        assert await dialled(nobody, nobody_else, somebody) == somebody


async def test_an_address_that_does_not_answer_is_passed_over_after_its_time() -> None:
    with full() as silent, listening() as somebody:
        assert await dialled(silent, somebody, each=0.01) == somebody


async def test_all_together_have_no_more_than_the_total() -> None:
    with full() as silent, pytest.raises(BackendUnreachable, match=r"within 0\.01 s"):
        await dialled(silent, silent, each=PATIENCE, total=0.01)


async def test_the_last_cause_is_told() -> None:
    with closed() as nobody, closed("127.0.0.4") as last:
        with pytest.raises(BackendUnreachable) as refusal:
            await dialled(nobody, last)
        assert str(refusal.value) == f"{last}: Connection refused"


async def test_without_any_address_there_is_nothing_to_reach() -> None:
    with pytest.raises(BackendUnreachable, match="there is no address"):
        await dialled()


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "::ffff:127.0.0.1", "localhost"])
async def test_this_machine_is_refused_unless_allowed(host: str) -> None:
    with listening() as somebody, pytest.raises(BackendUnreachable, match="is a loopback address"):
        await dial([Address(host, somebody.port)], each=PATIENCE, total=PATIENCE, allow_loopback=False)


@pytest.mark.parametrize("host", ["127.0.0.1", "::ffff:127.0.0.1", "localhost"])
async def test_an_address_that_nobody_may_be_sent_to_is_refused_whatever_leads_there(host: str) -> None:
    never = frozenset({"127.0.0.1", "::1"})
    with listening() as somebody, pytest.raises(BackendUnreachable, match="of a node or of the API server"):
        await dial(
            [Address(host, somebody.port)], each=PATIENCE, total=PATIENCE, allow_loopback=True, never=never
        )


@pytest.mark.parametrize("asked_for", ["10.0.0.9", "podinfo.test"])
@pytest.mark.parametrize(
    ("never", "allow_loopback", "why"),
    [
        (frozenset[str](), False, "a loopback address"),
        (frozenset({"127.0.0.1"}), True, "an address of a node or of the API server"),
    ],
)
async def test_where_the_kernel_has_connected_us_is_looked_at_too(
    monkeypatch: pytest.MonkeyPatch, asked_for: str, never: frozenset[str], *, allow_loopback: bool, why: str
) -> None:
    with listening() as forbidden:
        made = led_to(forbidden, monkeypatch)
        with pytest.raises(BackendUnreachable) as refusal:
            await dial(
                [Address(asked_for, 80)],
                each=PATIENCE,
                total=PATIENCE,
                allow_loopback=allow_loopback,
                never=never,
            )
    assert str(refusal.value) == f"{asked_for}:80: 10.0.0.9 led to 127.0.0.1, which is {why}"
    assert [wire.closed for wire in made] == [True]


async def test_elsewhere_is_no_reason_to_refuse(monkeypatch: pytest.MonkeyPatch) -> None:
    with listening() as somebody:
        made = led_to(somebody, monkeypatch)
        assert await dialled(Address("10.0.0.9", somebody.port)) == Address("10.0.0.9", somebody.port)
    assert len(made) == 1


async def test_a_connection_that_is_over_at_once_is_a_failed_try(monkeypatch: pytest.MonkeyPatch) -> None:
    """Then nobody can say any more where it led."""
    made: list[Wire] = []

    async def cut_short(address: Address, *, timeout: float) -> Wire:
        made.append(await connect(address, timeout=timeout))
        if address.port == short.getsockname()[1]:
            accepted, _ = short.accept()
            accepted.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            accepted.close()
        return made[-1]

    monkeypatch.setattr(dialling, "connect", cut_short)
    with socket.create_server(("127.0.0.1", 0)) as short, listening("127.0.0.2") as somebody:
        assert await dialled(Address(*short.getsockname()), somebody) == somebody
    assert [wire.closed for wire in made] == [True, True]


def led_to(address: Address, monkeypatch: pytest.MonkeyPatch) -> list[Wire]:
    """From now on every connection, and `podinfo.test`, leads there; what is connected is in the list."""
    made: list[Wire] = []

    async def elsewhere(_: Address, *, timeout: float) -> Wire:
        made.append(await connect(address, timeout=timeout))
        return made[-1]

    async def resolved(name: Address) -> tuple[Address, ...]:
        return (Address("10.0.0.9", name.port),)

    monkeypatch.setattr(dialling, "connect", elsewhere)
    monkeypatch.setattr(dialling, "resolve", resolved)
    return made


@pytest.mark.parametrize(
    "host", ["169.254.169.254", "0.0.0.0", "224.0.0.1", "255.255.255.255", "::", "fe80::1"]
)
async def test_forbidden_ranges_are_refused_and_the_next_address_is_tried(host: str) -> None:
    with listening() as somebody:
        assert await dialled(Address(host, somebody.port), somebody) == somebody
        with pytest.raises(BackendUnreachable, match=f"{host} is (the|a) "):
            await dialled(Address(host, somebody.port))


async def test_a_name_is_looked_up_and_stays_the_address_that_was_reached() -> None:
    with listening() as somebody:
        name = Address("localhost", somebody.port)
        wire, address = await dial([name], each=PATIENCE, total=PATIENCE, allow_loopback=True)
        with_ip = wire.remote
        wire.close()
    assert address == name
    assert with_ip == somebody


@pytest.mark.parametrize("host", ["a..b", "x" * 64, "."])
async def test_a_name_that_cannot_be_looked_up_is_a_failed_try(host: str) -> None:
    with pytest.raises(BackendUnreachable):
        await dialled(Address(host, 80))
    with listening() as somebody:
        assert await dialled(Address(host, 80), somebody) == somebody


async def test_a_name_that_leads_to_a_forbidden_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    async def rebound(address: Address) -> tuple[Address, ...]:
        return (Address("169.254.169.254", address.port),)

    monkeypatch.setattr(dialling, "resolve", rebound)
    with pytest.raises(BackendUnreachable, match=r"169\.254\.169\.254 is a link-local address"):
        await dialled(Address("podinfo.test", 80))


async def test_all_addresses_of_a_name_are_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    with listening() as somebody:

        async def several(address: Address) -> tuple[Address, ...]:
            return tuple(Address(host, address.port) for host in ("127.0.0.5", "::1", somebody.host))

        monkeypatch.setattr(dialling, "resolve", several)
        name = Address("podinfo.test", somebody.port)
        assert await dialled(name) == name


async def test_a_name_that_leads_elsewhere_by_now_is_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a Service's that was deleted and made again: for seconds its name leads to nobody."""
    with full() as silent, listening() as somebody:
        known = iter([silent, silent])

        async def changing(address: Address) -> tuple[Address, ...]:
            return (next(known, somebody),)

        monkeypatch.setattr(dialling, "resolve", changing)
        name = Address("podinfo.test", 80)
        wire, address = await dial([name], each=0.01, total=PATIENCE, allow_loopback=True)
        wire.close()
    assert address == name
    assert wire.remote == somebody


async def test_a_resolver_that_does_not_answer_is_waited_for_no_longer_than_the_total(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def never(address: Address) -> tuple[Address, ...]:
        await asyncio.Event().wait()
        raise AssertionError

    monkeypatch.setattr(dialling, "resolve", never)
    with pytest.raises(BackendUnreachable, match=r"within 0\.01 s, podinfo\.test:80 the last of them"):
        await dialled(Address("podinfo.test", 80), total=0.01)


async def test_who_is_cancelled_leaves_no_socket_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    made: asyncio.Queue[socket.socket] = asyncio.Queue()

    class Noted(socket.socket):
        def __init__(self, *arguments: int) -> None:
            super().__init__(*arguments)
            made.put_nowait(self)

    with full() as silent:
        monkeypatch.setattr(socket, "socket", Noted)
        task = asyncio.create_task(connect(silent, timeout=PATIENCE))
        sock = await made.get()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert sock.fileno() == -1


async def test_addresses_are_looked_up_each_once() -> None:
    assert await resolve(Address("127.0.0.1", 80)) == (Address("127.0.0.1", 80),)
    found = await resolve(Address("localhost", 80))
    assert len(set(found)) == len(found)
    assert {address.host for address in found} <= {"127.0.0.1", "::1"}


async def test_that_we_have_no_descriptor_left_is_no_failure_of_an_address() -> None:
    """Else endpoints that are well would be passed over, and another gateway not be tried."""
    failed: list[Address] = []
    with (
        listening() as one,
        listening() as other,
        no_descriptor_left(),
        pytest.raises(OverLimit, match="Too many open files"),
    ):
        await dial((one, other), each=1, total=1, allow_loopback=True, failed=failed.append)
    assert not failed
