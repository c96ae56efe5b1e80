"""What the commands print: tables for people, JSON for programs; progress goes to standard error."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Sequence
from typing import Final, NoReturn, TextIO

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from idemlambda.cli._attempts import Attempted
from idemlambda.cli._records import Item, jsonable, shown

WIDE: Final = 120
"""Columns where nobody tells how many there are: a file or a pipe cuts no lines."""

TICK: Final = 0.1
"""Seconds between two steps of a progress bar."""

LONGEST_TEXT: Final = 300
"""Characters of a result that a table shows."""

STYLES: Final = {
    "executed": "green", "replayed": "cyan", "unprotected": "yellow", "in_progress": "yellow", "key_reused": "yellow",
    "rejected": "yellow", "store_unavailable": "red", "unrecorded": "red", "failed": "red", "misconfigured": "red",
    "killed": "magenta",
}  # fmt: skip


def console(stream: TextIO | None = None) -> Console:
    """A console on standard output or another stream: colour on a terminal only, and none under NO_COLOR."""
    target = stream or sys.stdout
    is_sized = target.isatty() or "COLUMNS" in os.environ
    return Console(file=target, width=None if is_sized else WIDE, highlight=False, soft_wrap=False)


def print_json(document: object) -> None:
    """Print a document for a program, and nothing else."""
    click.echo(json.dumps(document, indent=2, ensure_ascii=False, default=jsonable))


def fail(message: str) -> NoReturn:
    """End the command with one line.

    Raises:
        click.ClickException: Always; exit code 1.
    """
    raise click.ClickException(" ".join(message.split()))


def wait(seconds: float, why: str) -> None:
    """Wait, with a bar on standard error, or one line where that is no terminal."""
    out = console(sys.stderr)
    until = time.monotonic() + seconds
    if not out.is_terminal:
        out.print(Text(f"{why}: {seconds:.1f} s"))
        time.sleep(seconds)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[left]:.1f} s"))
    with Progress(*columns, console=out, transient=True) as progress:
        task = progress.add_task(why, total=seconds, left=seconds)
        while (left := until - time.monotonic()) > 0:
            progress.update(task, completed=seconds - left, left=left)
            time.sleep(min(TICK, left))


def attempt_cells(attempted: Attempted, table: str) -> tuple[Text, ...]:
    """What each table of attempts says of one: outcome, whether it ran, DynamoDB calls, milliseconds."""
    counted = [call.operation for call in attempted.calls if call.names(table)]
    style = STYLES.get(attempted.outcome, "")
    return (
        Text(attempted.outcome.replace("_", " "), style=style),
        Text("began" if attempted.outcome == "killed" else "yes" if attempted.has_run else "no"),
        Text(f"{len(counted)}  {', '.join(counted)}" if counted else "0"),
        Text(f"{attempted.milliseconds:.0f}"),
    )


def attempts_table(attempts: Sequence[Attempted], table: str) -> Table:
    """The attempts, one a row."""
    grid = Table()
    for heading in ("attempt", "outcome", "handler ran", "DynamoDB calls"):
        grid.add_column(heading)
    grid.add_column("ms", justify="right")
    grid.add_column("result or error", overflow="fold")
    for attempted in attempts:
        grid.add_row(Text(str(attempted.number)), *attempt_cells(attempted, table), Text(answer_of(attempted)))
    return grid


def answer_of(attempted: Attempted) -> str:
    """What an attempt came back with, cut to a glance; a killed one came back with nothing."""
    if attempted.outcome == "killed":
        return ""
    text = attempted.error or json.dumps(attempted.result, default=jsonable, ensure_ascii=False)
    if attempted.late_by:
        text = f"{attempted.late_by / 1000:.1f} s past its time-out, where Lambda would have killed it: {text}"
    return text if len(text) <= LONGEST_TEXT else text[: LONGEST_TEXT - 1] + "…"


def record_table(record: Item, title: str) -> Table:
    """One record, an attribute a row."""
    grid = Table(title=Text(title), title_justify="left", show_header=False)
    grid.add_column("attribute", style="bold")
    grid.add_column("value", overflow="fold")
    for name, value in record.items():
        grid.add_row(Text(name), Text(shown(name, value)))
    return grid


def attempt_document(attempted: Attempted, table: str) -> dict[str, object]:
    """One attempt for a program."""
    document: dict[str, object] = {
        "number": attempted.number,
        "outcome": attempted.outcome,
        "handler_ran": attempted.has_run,
        "dynamodb_calls": [call.operation for call in attempted.calls if call.names(table)],
        "milliseconds": round(attempted.milliseconds, 1),
    }
    if attempted.outcome == "killed":
        return document
    if attempted.late_by:
        document["late_by_milliseconds"] = round(attempted.late_by, 1)
    if attempted.error is None:
        return document | {"result": attempted.result}
    document["error"] = attempted.error
    if attempted.retry_after is not None:
        document["retry_after"] = round(attempted.retry_after, 3)
    if attempted.changed:
        document["changed"] = list(attempted.changed)
    return document
