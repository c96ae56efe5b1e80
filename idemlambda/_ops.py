"""The few things a flow may ask for.

A flow is a generator of operations; whoever drives it sends each one's reply back: ``reply = yield from op``. The
four store operations are compare-and-set and know no time.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, Generic, TypeVar

from idemlambda.record import Record

R = TypeVar("R")


class Gone(Enum):
    """The type of `GONE`: no record, which is something else than a record with nothing in it."""

    GONE = "no record with this id"


GONE: Final = Gone.GONE

Found = Record | Gone | None
"""A store's reply: None where a write was applied; else the record in the way, or `GONE` where there is none."""


class Op(Generic[R]):
    """An operation whose reply is an `R`: ``reply = yield from op``."""

    __slots__ = ()

    def __iter__(self) -> Generator[Op[Any], Any, R]:
        """Hand the operation to the driver, and its reply to the flow."""
        reply: R = yield self
        return reply


@dataclass(frozen=True, slots=True)
class Insert(Op[Found]):
    """Write `record` if there is none with its id."""

    record: Record

    @property
    def id(self) -> str:
        """The record's id."""
        return self.record.id


@dataclass(frozen=True, slots=True)
class Replace(Op[Found]):
    """Write `record` over `expect`, if version and status are still what was read (rule 8)."""

    record: Record
    expect: Record

    @property
    def id(self) -> str:
        """The record's id."""
        return self.record.id


@dataclass(frozen=True, slots=True)
class Remove(Op[Found]):
    """Delete `expect`, if version and status are still what was read (rule 8)."""

    expect: Record

    @property
    def id(self) -> str:
        """The record's id."""
        return self.expect.id


@dataclass(frozen=True, slots=True)
class Read(Op[Found]):
    """Read the record with this id, strongly consistent; the reply is a record or `GONE`, never None."""

    id: str


StoreOp = Insert | Replace | Remove | Read
"""An operation on the store. Sent twice, it is the same operation: version, expectation, times and bytes."""


@dataclass(frozen=True, slots=True)
class Sleep(Op[None]):
    """Do nothing for so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Returned:
    """The function came back with a value."""

    value: object


@dataclass(frozen=True, slots=True)
class Raised:
    """The function raised an error of its own (an `Exception`; anything else ends the attempt where it stands)."""

    error: Exception


@dataclass(frozen=True, slots=True)
class Call(Op["Returned | Raised"]):
    """Run the function. Its error is a reply and not thrown: a flow never takes it for an error of the store."""

    function: Callable[[], object]
