"""What happened in a world, in order, and how it reads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from idemlambda._attempt import Reply
from idemlambda._ops import GONE, Gone, Insert, Op, Raised, Remove, Replace, Returned, StoreOp
from idemlambda.record import Record

E = TypeVar("E")


@dataclass(frozen=True, slots=True)
class Sent:
    """A flow asked for an operation of the store."""

    by: str
    op: StoreOp

    def __str__(self) -> str:
        return f"{self.by} sends {text_of(self.op)}"


@dataclass(frozen=True, slots=True)
class Changed:
    """The store changed; `at` is the writer's clock. `by` is empty for an eviction."""

    by: str
    before: Record | Gone
    after: Record | Gone
    at: int

    def __str__(self) -> str:
        return f"{self.by or 'the world'} changes {seen(self.before)} to {seen(self.after)} at {self.at}"


@dataclass(frozen=True, slots=True)
class Started:
    """A flow asked for its function; `at` is its clock, `there` what the store held at that moment."""

    by: str
    at: int
    there: Record | Gone

    def __str__(self) -> str:
        return f"{self.by} starts at {self.at} under {seen(self.there)}"


@dataclass(frozen=True, slots=True)
class Ended:
    """A function came back."""

    by: str
    outcome: Returned | Raised


@dataclass(frozen=True, slots=True)
class Told:
    """A flow ended: with a reply, or with an error."""

    by: str
    reply: Reply | None
    error: Exception | None


@dataclass(frozen=True, slots=True)
class Died:
    """An attempt was killed."""

    by: str


Event = Sent | Changed | Started | Ended | Told | Died


class History:
    """What happened in one run, in order."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def every(self, kind: type[E]) -> list[tuple[int, E]]:
        """The events of one kind, each with its place in the order."""
        return [(place, event) for place, event in enumerate(self.events) if isinstance(event, kind)]

    def __str__(self) -> str:
        return "\n".join(f"  {event}" for event in self.events)


Law = Callable[[History], None]
"""Raises where a history breaks it. It holds of each beginning of a history, or of none."""


def seen(there: Record | Gone) -> str:
    """A record in a few words."""
    return "nothing" if there is GONE else f"{there.version} {there.status} (lease to {there.lease_end})"


def text_of(op: Op[Any]) -> str:
    """An operation in a few words."""
    words = [type(op).__name__.lower()]
    if isinstance(op, Remove | Replace):
        words.append(op.expect.version)
    if isinstance(op, Insert | Replace):
        words.append(f"{op.record.version} {op.record.status}")
    return " ".join(words)
