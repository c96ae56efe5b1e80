"""`idemlambda invoke`: runs a handler, several times, at once, or killed in mid-handler, and shows what happened."""

from __future__ import annotations

import os
import sys
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager, redirect_stdout
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import click

from idemlambda.app import TABLE_VARIABLE
from idemlambda.cli._attempts import Attempted, attempt, attempts_at_once
from idemlambda.cli._aws import dynamodb_client, errors_in_one_line, table_client
from idemlambda.cli._crash import Order, killed_attempt
from idemlambda.cli._output import attempt_document, attempts_table, console, print_json, record_table, wait
from idemlambda.cli._records import Item, read_records
from idemlambda.cli._target import load_event, load_handler
from idemlambda.cli._watch import watching
from idemlambda.testing.context import LONGEST_TIMEOUT

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

MOST: Final = 100
"""Attempts in turn or at once: enough to see any law, and a table that a person reads."""

AFTER_LEASE: Final = 0.05
"""Seconds to wait beyond a lease's end, so that the next attempt does not meet its last millisecond."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run: the target and its event, how often, how many at once, and whether a crash comes first."""

    target: str
    event: object
    timeout: float
    times: int
    concurrent: int
    has_crash: bool
    is_embedded: bool


@click.command()
@click.argument("target", metavar="MODULE:HANDLER")
@click.argument("event", metavar="EVENT.json")
@click.option("--times", type=click.IntRange(1, MOST), default=1, show_default=True, help="Attempts in turn.")
@click.option("--concurrent", type=click.IntRange(1, MOST), default=1, show_default=True, help="Attempts at once.")
@click.option(
    "--crash", is_flag=True, help="First kill a worker process in mid-handler, and wait until its lease ends."
)
@click.option(
    "--timeout",
    type=click.FloatRange(0.1, LONGEST_TIMEOUT),
    default=3.0,
    show_default=True,
    metavar="SECONDS",
    help="The function's time-out: a lease ends with it; a handler that runs on is told of, not killed.",
)
@click.option("--table", metavar="NAME", help="A real table, with the AWS environment as it is.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def invoke(  # noqa: PLR0917 - click passes by name
    target: str,
    event: str,
    times: int,
    concurrent: int,
    crash: bool,  # noqa: FBT001 - click passes by name
    timeout: float,
    table: str | None,
    as_json: bool,  # noqa: FBT001 - click passes by name
) -> None:
    """Run a handler on an event, and show each attempt and the record.

    MODULE is a module on the path or in the working directory, or a file; EVENT.json may be - for standard input.
    Without --table the handler meets an embedded DynamoDB that holds one table, named by IDEMLAMBDA_TABLE (else
    "idempotency"). It answers one request at a time, as real conditional writes to one item do. What the handler
    prints goes to standard error.

    Exit code 0: every attempt had an idempotent outcome, a refusal too. 1: the handler failed or ran past its
    time-out, or the set-up is wrong. 2: usage.
    """
    plan = Plan(target, load_event(event), timeout, times, concurrent, has_crash=crash, is_embedded=table is None)
    name = table or os.environ.get(TABLE_VARIABLE) or "idempotency"
    with ExitStack() as stack:
        client = stack.enter_context(dynamodb(name, is_embedded=plan.is_embedded))
        with redirect_stdout(sys.stderr):
            attempts = carry_out(plan)
        with errors_in_one_line(name):
            records = read_records(client, name, [call for attempted in attempts for call in attempted.calls])
    if as_json:
        print_json(
            {
                "handler": target,
                "table": name,
                "attempts": [attempt_document(attempted, name) for attempted in attempts],
                "records": records,
            }
        )
    else:
        show(name, attempts, records)
        for hint in hints(plan, attempts):
            click.echo(hint, err=True)
    sys.exit(int(any(attempted.is_unexpected for attempted in attempts)))


@contextmanager
def dynamodb(table: str, *, is_embedded: bool) -> Generator[DynamoDBClient]:
    """The environment that a handler is imported and run in, and a client to look at its table with."""
    from idemlambda.cli._embedded import embedded_dynamodb, environment
    from idemlambda.table import create

    with ExitStack() as stack:
        stack.enter_context(environment({TABLE_VARIABLE: table}))
        if is_embedded:
            stack.enter_context(embedded_dynamodb())
        stack.enter_context(watching())
        with errors_in_one_line(table):
            client = dynamodb_client()
        if is_embedded:
            create(table_client(), table)
        yield client
        client.close()


def carry_out(plan: Plan) -> list[Attempted]:
    """All attempts of a plan, in order."""
    attempts: list[Attempted] = []
    if plan.has_crash:
        attempts.append(killed_attempt(Order(plan.target, plan.event, plan.timeout, plan.is_embedded)))
    handler = load_handler(plan.target)
    if plan.has_crash and attempts[0].outcome == "killed":
        refused = attempt(handler, plan.event, timeout=plan.timeout, number=2)
        attempts.append(refused)
        if refused.retry_after is not None:
            wait(refused.retry_after + AFTER_LEASE, "Waiting until the dead attempt's lease ends")
    for _ in range(plan.times):
        attempts += attempts_at_once(
            handler, plan.event, timeout=plan.timeout, first_number=len(attempts) + 1, many=plan.concurrent
        )
    return attempts


def hints(plan: Plan, attempts: Sequence[Attempted]) -> Generator[str]:
    """What a newcomer may wonder about."""
    if all(attempted.outcome == "unprotected" for attempted in attempts):
        crash = ", and no claim that a crash could leave" if plan.has_crash else ""
        yield f"Nothing was claimed{crash}: is {plan.target} decorated, as with @idem.handler(key=...)?"
    elif plan.is_embedded and len(attempts) == 1:
        yield "The embedded table is gone now, with its record: --times 2 shows a replay."


def show(table: str, attempts: Sequence[Attempted], records: Sequence[Item]) -> None:
    """Print the attempts and the records for a person."""
    out = console()
    out.print(attempts_table(attempts, table))
    for record in records:
        out.print()
        out.print(record_table(record, f"The record in {table}"))
    if not records:
        out.print(f"No record in {table}.", markup=False)
