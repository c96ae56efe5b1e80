"""A desk for HTTP handlers: a store, a clock, the events of every front door, and what was told."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from idemlambda.app import Idempotency
from idemlambda.memory import MemoryStore
from idemlambda.ports import Outcome
from idemlambda.testing import FakeClock, RecordedStore

EVENTS = Path(__file__).parents[2] / "events"
Event = dict[str, Any]


class Desk:
    """A configuration on a recorded memory store, and a handler that counts its runs."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.memory = MemoryStore()
        self.store = RecordedStore(self.memory)
        self.outcomes: list[Outcome] = []
        self.ran: list[Event] = []
        self.idem = Idempotency(self.store, clock=self.clock, observers=(self.outcomes.append,))

    def handler(self, result: object = None, **options: Any) -> Callable[[Event, object], Any]:
        """A handler under the contract that answers `result`, by default a 201 with the number of its run."""

        def place(event: Event, context: object) -> object:
            self.ran.append(event)
            if isinstance(result, Exception):
                raise result
            return result if result is not None else {"statusCode": 201, "body": f"order {len(self.ran)}"}

        return self.idem.http(**options)(place)

    def told(self) -> list[str]:
        """The names of the outcomes told so far."""
        return [outcome.name for outcome in self.outcomes]


@pytest.fixture
def desk() -> Desk:
    """A fresh desk."""
    return Desk()


def changed_event(source: str, *, headers: dict[str, Any] | None = None, context: Any = None, **changes: Any) -> Event:
    """The event of a source, with some members changed; a header of None is left out, and so is an authorizer."""
    event: Event = copy.deepcopy(json.loads((EVENTS / f"{source}.json").read_text()))
    event.update(changes)
    event["requestContext"].update(context or {})
    for name, value in (headers or {}).items():
        for member, form in (("headers", value), ("multiValueHeaders", value if value is None else [value])):
            if member in event:
                kept = {known: held for known, held in event[member].items() if known.lower() != name.lower()}
                event[member] = kept if form is None else {**kept, name: form}
    return event


@pytest.fixture
def event_of() -> Callable[..., Event]:
    """Makes events; see `changed_event`."""
    return changed_event


def problem_in(answer: Any) -> Any:
    """The members of a problem, after a look at its form."""
    headers = answer.get("headers") or {name: values[0] for name, values in answer["multiValueHeaders"].items()}
    assert headers["Content-Type"] == "application/problem+json"
    members = json.loads(answer["body"])
    assert members["status"] == answer["statusCode"]
    return members


@pytest.fixture
def problem_of() -> Callable[[Any], Any]:
    """Reads problems; see `problem_in`."""
    return problem_in
