"""What the flows need from the world, as protocols, and their plain defaults."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

from idemlambda._ops import GONE, Found, Gone, Insert, Read, Remove, Replace, StoreOp
from idemlambda.record import Body, Record, Status

__all__ = [
    "GONE",
    "AsyncStore",
    "Body",
    "BoundCodec",
    "Clock",
    "Codec",
    "Found",
    "Gone",
    "Insert",
    "Observer",
    "Outcome",
    "OutcomeName",
    "Read",
    "Record",
    "Remove",
    "Replace",
    "Status",
    "Store",
    "StoreOp",
    "SystemClock",
]


@runtime_checkable
class Store(Protocol):
    """Compare-and-set over records; it knows no time. One call is one round trip: the flow does the retries."""

    def send(self, op: StoreOp) -> Found:
        """Carry out one operation.

        Returns:
            None where a write was applied; else the record in the way, or `GONE` where there is none. A write that
            finds *itself* there (a resend) may answer either: the flow compares versions. A `Read` answers the
            record or `GONE`.

        Raises:
            StoreUnavailable: The store did not answer, or is too busy; whether a write took effect may be unknown.
            RecordUnreadable: The record in the way is of a newer format, or not one of ours.
            RecordTooLarge: The record is larger than the store takes.
            ConfigError: The table is missing, access is denied, or the request is malformed.
        """
        ...


@runtime_checkable
class AsyncStore(Protocol):
    """A `Store` whose round trips are awaited."""

    async def asend(self, op: StoreOp) -> Found:
        """Carry out one operation; as `Store.send`."""
        ...


class Clock(Protocol):
    """The time of day, and a pause."""

    def now(self) -> int:
        """Milliseconds since the epoch."""
        ...

    def sleep(self, seconds: float) -> None:
        """Pause this thread."""
        ...

    async def asleep(self, seconds: float) -> None:
        """Pause this task."""
        ...


class BoundCodec(Protocol):
    """A codec that knows which function's results it writes."""

    def encode(self, value: object, record_id: str) -> Body:
        """Write a result. Any error means that it cannot be stored: the caller gets its value all the same."""
        ...

    def decode(self, body: Body, record_id: str) -> object:
        """Read a result, equal in value and type. Any error means that the record cannot be read."""
        ...


class Codec(Protocol):
    """How results are written to text or bytes and read back."""

    def bind(self, function: Callable[..., object]) -> BoundCodec:
        """The codec for one function: its return annotation tells what a result is rebuilt to."""
        ...


OutcomeName = Literal[
    "executed",
    "replayed",
    "failed",
    "in_progress",
    "key_reused",
    "rejected",
    "store_unavailable",
    "unrecorded",
    "unprotected",
]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one call.

    Attributes:
        name: `executed` and recorded, `replayed` from the record, `failed` with the function's own error (released),
            `in_progress` elsewhere, `key_reused`, otherwise `rejected`, `store_unavailable`, `unrecorded` (it ran and
            no record says so), or `unprotected` (it ran without a key, as `key_optional` allows).
        namespace: Whose call it was.
        record_id: The record's id, which holds the key only as a hash; empty without a key.
        attempt: Which attempt at the key this was; 0 where none was made here.
        milliseconds: How long the call took, all in all.
        error: What was raised, or what else went wrong: a release that failed shows here only.
    """

    name: OutcomeName
    namespace: str
    record_id: str
    attempt: int
    milliseconds: float
    error: BaseException | None = None


class Observer(Protocol):
    """Told about each outcome. What it raises is logged and goes no further."""

    def __call__(self, outcome: Outcome, /) -> None:
        """Take note of one outcome."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> int:
        """Milliseconds since the epoch."""
        return time.time_ns() // 1_000_000

    def sleep(self, seconds: float) -> None:
        """Pause this thread."""
        time.sleep(seconds)

    async def asleep(self, seconds: float) -> None:
        """Pause this task."""
        import asyncio

        await asyncio.sleep(seconds)
