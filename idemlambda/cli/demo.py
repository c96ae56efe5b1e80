"""`idemlambda demo`: the main job, shown on real calls against an embedded DynamoDB, each step checked."""

from __future__ import annotations

import io
import json
import sys
import threading
from collections.abc import Callable, Iterator, Sequence, Sized
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, cast

import click
from rich.table import Table
from rich.text import Text

from idemlambda.cli._attempts import Attempted, Handler, attempt
from idemlambda.cli._crash import Order, killed_attempt
from idemlambda.cli._output import attempt_cells, attempt_document, console, print_json, record_table, wait
from idemlambda.cli._records import Item, read_records
from idemlambda.cli._target import load_event, load_handler
from idemlambda.cli._watch import Watch
from idemlambda.cli.invoke import AFTER_LEASE, dynamodb

TABLE: Final = "idempotency"

TIMEOUT: Final = 3.0
"""Lambda's own default, in seconds."""

CRASH_TIMEOUT: Final = 2.0
"""Short, so that the crashed claim lapses after some 3.5 s: a lease is the time-out and 2 s for skewed clocks."""

GATE: Final = 30
"""Seconds after which an attempt that is held in mid-handler goes on, whatever happened."""

SOURCES: Final = {"orders": "examples/orders", "events": "events"}
"""Where a clone has what a wheel carries in `_demo`."""


@dataclass(frozen=True, slots=True)
class Step:
    """One line of the demo: what was done, what came of it, and what of that is not as it should be."""

    title: str
    what: str
    attempted: Attempted
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that may be wrong with a step, and whether it is."""

    what: str
    is_there: bool


@dataclass(frozen=True, slots=True)
class Expected:
    """What an attempt must come to; `calls` are those to DynamoDB."""

    outcome: str
    has_run: bool
    calls: int


EXECUTED: Final = Expected("executed", has_run=True, calls=2)
REPLAYED: Final = Expected("replayed", has_run=False, calls=1)
REUSED: Final = Expected("key_reused", has_run=False, calls=1)
BUSY: Final = Expected("in_progress", has_run=False, calls=1)
KILLED: Final = Expected("killed", has_run=True, calls=1)
TAKEN_OVER: Final = Expected("executed", has_run=True, calls=3)
"""One call more than a first execution: the claim that is refused by the dead worker's record."""

SECOND: Final = 2
"""Which attempt at its key follows a crash: each takeover of a lapsed claim counts."""


@dataclass(frozen=True, slots=True)
class Stage:
    """The handler, its event, and its ledger of orders placed in this process."""

    target: str
    handler: Handler
    event: dict[str, object]
    ledger: Sized

    def run(self, at_start: Callable[[Watch], None] | None = None, **changes: object) -> Attempted:
        """Call the handler on the event with some of its fields changed."""
        return attempt(self.handler, self.event | changes, timeout=TIMEOUT, at_start=at_start)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def demo(as_json: bool) -> None:  # noqa: FBT001 - click passes flags by name
    """Show a handler run once, replay, refuse a changed payload and a duplicate, and recover from a crash.

    Everything is real: the handler of examples/orders, a DynamoDB inside this process, and a worker process that is
    killed. Needs no AWS account, no credentials and no network. Exit code 1 says that a step went wrong.
    """
    with dynamodb(TABLE, is_embedded=True) as client:
        with redirect_stdout(io.StringIO()):  # the example's own log lines
            steps = list(play(set_stage()))
        calls = [call for step in steps for call in step.attempted.calls]
        records = read_records(client, TABLE, calls)
    if as_json:
        print_json({"steps": [step_document(step) for step in steps], "records": records})
    else:
        show(steps, records)
    if any(step.problems for step in steps):
        raise click.exceptions.Exit(1)


def demo_path(name: str) -> Path:
    """The folder of the example or the events: inside an installed wheel, or in a clone.

    Raises:
        click.ClickException: It is in neither place.
    """
    here = Path(__file__).parent
    for folder in (here / "_demo" / name, here.parents[1] / SOURCES[name]):
        if folder.is_dir():
            return folder
    raise click.ClickException(f"{SOURCES[name]} is missing from this installation of idemlambda.")


def set_stage() -> Stage:
    """Import the example's handler, and find its ledger beside it."""
    target = f"{demo_path('orders') / 'app.py'}:handler"
    event = load_event(str(demo_path("events") / "direct.json"))
    handler = load_handler(target)
    ledger = sys.modules[handler.__module__].__dict__["ledger"]
    return Stage(target, handler, cast("dict[str, object]", event), ledger)


def play(stage: Stage) -> Iterator[Step]:
    """All steps, in order."""
    yield from once_and_again(stage)
    yield from while_in_progress(stage)
    yield from crash_and_takeover(stage)


def once_and_again(stage: Stage) -> Iterator[Step]:
    """First execution, replay, changed payload."""
    placed = len(stage.ledger)
    first = stage.run()
    yield check("1 first execution", "an order arrives", first, EXECUTED)

    again = stage.run()
    effects = len(stage.ledger) - placed
    what = f"the same event again: the result is equal to the byte; orders placed in all: {effects}"
    differs = json.dumps(again.result).encode() != json.dumps(first.result).encode()
    yield check(
        "2 replay",
        what,
        again,
        REPLAYED,
        Fault("the result differs from the first one", is_there=differs),
        Fault(f"{effects} orders were placed, not one", is_there=effects != 1),
    )

    other = stage.run(quantity=cast("int", stage.event["quantity"]) + 1)
    what = f"the same key with another quantity is refused; changed: {', '.join(other.changed)}"
    misnamed = Fault(f"{other.changed} is named, not /quantity", is_there=other.changed != ("/quantity",))
    yield check("3 changed payload", what, other, REUSED, misnamed)


def while_in_progress(stage: Stage) -> Iterator[Step]:
    """A duplicate that comes while the first one is held in mid-handler."""
    order = f"{stage.event['order_id']}-2"
    begun, go_on = threading.Event(), threading.Event()

    def hold(_: Watch) -> None:
        begun.set()
        go_on.wait(GATE)

    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(stage.run, hold, order_id=order)
        begun.wait(GATE)
        duplicate = stage.run(order_id=order)
        go_on.set()
        first = running.result()
    yield check("4 in progress", refusal(duplicate), duplicate, BUSY)
    yield check("", "the first one ends, and is recorded", first, EXECUTED)


def crash_and_takeover(stage: Stage) -> Iterator[Step]:
    """A worker process that is killed, a retry that comes too early, and one that takes over."""
    order = f"{stage.event['order_id']}-3"
    event = stage.event | {"order_id": order}
    killed = killed_attempt(Order(stage.target, event, CRASH_TIMEOUT, is_embedded=True))
    yield check("5 crash", "a worker process is killed (SIGKILL) in mid-handler", killed, KILLED)

    early = stage.run(order_id=order)
    yield check("", refusal(early), early, BUSY)

    wait((early.retry_after or 0) + AFTER_LEASE, "Waiting until the dead worker's lease ends")
    placed = len(stage.ledger)
    late = stage.run(order_id=order)
    yield check(
        "6 takeover",
        f"a retry after the lease takes over: attempt {late.attempt} at the key",
        late,
        TAKEN_OVER,
        Fault("it is not the second attempt", is_there=late.attempt != SECOND),
        Fault("the order was not placed once", is_there=len(stage.ledger) - placed != 1),
    )


def refusal(attempted: Attempted) -> str:
    """Says of a refused duplicate how long the claim still holds."""
    left = "an unknown time" if attempted.retry_after is None else f"{attempted.retry_after:.1f} s"
    return f"a duplicate is refused; the claim holds for {left} more"


def check(title: str, what: str, attempted: Attempted, expected: Expected, *faults: Fault) -> Step:
    """A step, with all in which it is not what it should be."""
    made = sum(call.names(TABLE) for call in attempted.calls)
    told = f": {attempted.error}" if attempted.error else ""
    ran = "ran" if attempted.has_run else "did not run"
    outcome = attempted.outcome
    every = (
        Fault(f"the outcome is {outcome}, not {expected.outcome}{told}", is_there=outcome != expected.outcome),
        Fault(f"the handler {ran}", is_there=attempted.has_run is not expected.has_run),
        Fault(f"{made} DynamoDB calls were made, not {expected.calls}", is_there=made != expected.calls),
        *faults,
    )
    return Step(title, what, attempted, tuple(fault.what for fault in every if fault.is_there))


def step_document(step: Step) -> dict[str, object]:
    """One step for a program."""
    told = attempt_document(replace(step.attempted, number=0), TABLE)
    del told["number"]
    return {"step": step.title, "what": step.what, **told, "problems": list(step.problems)}


def show(steps: Sequence[Step], records: Sequence[Item]) -> None:
    """Print the steps and the last record for a person."""
    out = console()
    grid = Table()
    for heading in ("step", "what happened", "outcome", "handler ran", "DynamoDB calls"):
        grid.add_column(heading, overflow="fold")
    grid.add_column("ms", justify="right")
    for step in steps:
        grid.add_row(Text(step.title), Text(step.what), *attempt_cells(step.attempted, TABLE))
    out.print(grid)
    for record in records[-1:]:
        out.print()
        out.print(record_table(record, "The record of the order that survived a crash, as it is in the table"))
    for step in steps:
        for problem in step.problems:
            out.print(Text(f"WRONG  {step.title or step.what}: {problem}", style="bold red"))
