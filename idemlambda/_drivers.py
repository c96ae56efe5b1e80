"""Runs a flow, sync or async: the only fork in the code base."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import cast

from idemlambda._attempt import Reply
from idemlambda._core import Flow
from idemlambda._ops import Call, Found, Op, Raised, Returned, Sleep, StoreOp
from idemlambda.ports import AsyncStore, Clock, Store


class Driver:
    """Performs a flow's operations, each to its end."""

    __slots__ = ("_clock", "_store")

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def run(self, flow: Flow[Reply]) -> Reply:
        """Run a flow to its reply, or to the error it ends with.

        What is no `Exception` (an interrupt, the interpreter's exit) passes through at once: the flow writes nothing
        more, and the claim stands until its lease ends (rule 12).
        """
        try:
            op = next(flow)
            while True:
                try:
                    reply = self._perform(op)
                except Exception as error:  # noqa: BLE001 - the flow decides
                    op = flow.throw(error)
                else:
                    op = flow.send(reply)
        except StopIteration as end:
            return cast("Reply", end.value)

    def _perform(self, op: Op[object]) -> object:
        if isinstance(op, StoreOp):
            return self._store.send(op)
        if isinstance(op, Call):
            try:
                return Returned(op.function())
            except Exception as error:  # noqa: BLE001 - the function's error is a reply
                return Raised(error)
        if isinstance(op, Sleep):
            self._clock.sleep(op.seconds)
            return None
        raise TypeError(f"no driver knows the operation {op!r}")


class AsyncDriver:
    """Performs a flow's operations, awaiting each; a sync store is sent to from a thread.

    Nothing is bound to a loop: `asyncio.run` per invocation closes the loop of the last one.
    """

    __slots__ = ("_clock", "_store")

    def __init__(self, store: Store | AsyncStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def run(self, flow: Flow[Reply]) -> Reply:
        """Run a flow to its reply, or to the error it ends with; a cancelled one leaves its lease standing."""
        try:
            op = next(flow)
            while True:
                try:
                    reply = await self._perform(op)
                except Exception as error:  # noqa: BLE001 - the flow decides
                    op = flow.throw(error)
                else:
                    op = flow.send(reply)
        except StopIteration as end:
            return cast("Reply", end.value)

    async def _perform(self, op: Op[object]) -> object:
        if isinstance(op, StoreOp):
            return await self._send(op)
        if isinstance(op, Call):
            try:
                return Returned(await cast("Awaitable[object]", op.function()))
            except Exception as error:  # noqa: BLE001 - the function's error is a reply
                return Raised(error)
        if isinstance(op, Sleep):
            await self._clock.asleep(op.seconds)
            return None
        raise TypeError(f"no driver knows the operation {op!r}")

    async def _send(self, op: StoreOp) -> Found:
        if isinstance(self._store, AsyncStore):
            return await self._store.asend(op)
        import asyncio

        return await asyncio.to_thread(self._store.send, op)
