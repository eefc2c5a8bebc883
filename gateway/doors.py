"""The addresses at which an outbound proxy listens: opened and closed as its targets change."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

import structlog

from gateway.listener import Listener, listening_socket
from gateway.outbound import Outbound
from gateway.refusals import Reason, Refused
from gateway.routes import NO_TARGETS, Target, TargetTable
from gateway.wire import Wire
from process.address import Address

log = structlog.get_logger()

_AGAIN = 1.0
"""Seconds until an address that could not be had is tried again."""


class Doors:
    """
    One listener for each target's address. One that cannot be had is tried again every second;
    the others open all the same.
    """

    def __init__(self, outbound: Outbound, *, most: int, refused: Callable[[Reason], None]) -> None:
        self._outbound = outbound
        self._most = most
        self._refused = refused
        self._open: dict[Address, tuple[Listener, AsyncExitStack]] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self._table = NO_TARGETS
        self._told: set[Address] = set()
        self._trying: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop_accepting()
        for address in list(self._open):
            self._shut(address)
        if self._closing:
            await asyncio.wait(self._closing)

    @property
    def listening(self) -> list[str]:
        """Where we listen, as bound."""
        return [str(listener.address) for listener, _ in self._open.values()]

    async def follow(self, table: TargetTable, *, all_or_none: bool = False) -> None:
        """
        Listen for exactly the targets of *table*. Streams of a target that has gone go on.

        With *all_or_none* an address that cannot be had raises OSError, with a sentence.
        """
        self._table = table
        self._outbound.follow(set(table.targets.values()))
        for address in self._open.keys() - table.targets.keys():
            self._shut(address)
        for address in self._missing():
            try:
                await self._open_door(address)
            except OSError as error:
                if all_or_none:
                    raise
                self._tell(address, error)
        if self._missing() and self._trying is None:
            self._trying = asyncio.get_running_loop().create_task(self._try_again())

    def stop_accepting(self) -> None:
        if self._trying is not None:
            self._trying.cancel()
        for listener, _ in self._open.values():
            listener.stop_accepting()

    async def until_idle(self, timeout: float) -> None:
        """Return when no application's connection is left, or after *timeout* seconds."""
        async with asyncio.TaskGroup() as waits:
            for listener, _ in self._open.values():
                waits.create_task(listener.until_idle(timeout))

    def _missing(self) -> set[Address]:
        """The addresses that we should listen on and do not."""
        return self._table.targets.keys() - self._open.keys()

    async def _try_again(self) -> None:
        """Until no address is missing: who holds one now may give it back."""
        while self._missing():
            await asyncio.sleep(_AGAIN)
            for address in self._missing():
                try:
                    await self._open_door(address)
                except OSError as error:
                    self._tell(address, error)
        self._trying = None

    def _tell(self, address: Address, error: OSError) -> None:
        if address not in self._told:
            log.warning("target.not_listening", listen=str(address), error=str(error))
            self._told.add(address)

    async def _open_door(self, address: Address) -> None:
        """Raises OSError if *address* cannot be had."""
        listener = Listener(
            listening_socket(address),
            lambda wire: self._serve(address, wire),
            most=self._most,
            refused=self._over_limit,
            failed=lambda: self._refused(Reason.INTERNAL),
        )
        stack = AsyncExitStack()
        await stack.enter_async_context(listener)
        self._open[address] = listener, stack
        self._told.discard(address)
        target = self._table.targets[address]
        log.info("target.offered", listen=str(listener.address), service=f"{target.service}:{target.port}")

    async def _serve(self, address: Address, wire: Wire) -> None:
        target: Target | None = self._table.find(address)
        if target is None:
            wire.reset()
            return
        await self._outbound.serve(wire, target)

    def _over_limit(self, refusal: Refused) -> None:
        self._refused(refusal.reason)

    def _shut(self, address: Address) -> None:
        """No new connection; those that run are let go on for as long as the proxy lives."""
        listener, stack = self._open.pop(address)
        listener.stop_accepting()
        log.info("target.withdrawn", listen=str(listener.address))
        task = asyncio.get_running_loop().create_task(self._shut_when_idle(listener, stack))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def _shut_when_idle(self, listener: Listener, stack: AsyncExitStack) -> None:
        try:
            await listener.until_idle(timeout=3600.0)
        finally:
            await stack.aclose()
