"""`idemlambda table`: creates a table for records, or checks one, and says what to mend."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import asdict
from typing import ParamSpec, TypeVar

import click
from rich.table import Table
from rich.text import Text

from idemlambda.cli._aws import errors_in_one_line, table_client
from idemlambda.cli._output import console, print_json
from idemlambda.table import TableReport, create, describe, key_text

P = ParamSpec("P")
R = TypeVar("R")


def with_options(command: Callable[P, R]) -> Callable[P, R]:
    """The argument and the options that both commands take."""
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Print one JSON document."),
        click.option("--sort-key", metavar="NAME", help="The sort key of a composite table."),
        click.option("--partition-key", metavar="NAME", default="id", show_default=True, help="The partition key."),
        click.argument("name"),
    ):
        command = option(command)
    return command


@click.group()
def table() -> None:
    """Create a table for records, or check one.

    Both use the AWS environment as it is: profile, region, credentials. Exit code 1: something is wrong.
    """


@table.command("create")
@with_options
def create_command(name: str, partition_key: str, sort_key: str | None, as_json: bool) -> None:  # noqa: FBT001 - click passes by name
    """Create a table with the right keys, on-demand billing and TTL on, and check it."""
    with errors_in_one_line(name):
        report = create(table_client(), name, partition_key=partition_key, sort_key=sort_key)
    show(report, as_json=as_json)


@table.command("describe")
@with_options
def describe_command(name: str, partition_key: str, sort_key: str | None, as_json: bool) -> None:  # noqa: FBT001 - click passes by name
    """Check a table's keys, TTL and billing, and say what to mend."""
    with errors_in_one_line(name):
        report = describe(table_client(), name, partition_key=partition_key, sort_key=sort_key)
    show(report, as_json=as_json)


def show(report: TableReport, *, as_json: bool) -> None:
    """Print a report; with problems the command ends with 1."""
    if as_json:
        print_json(asdict(report))
    else:
        grid = Table(title=Text(f"Table {report.name}"), title_justify="left", show_header=False)
        ttl = report.ttl_status if report.ttl_attribute is None else f"{report.ttl_status} on {report.ttl_attribute}"
        for label, value in (
            ("status", report.status),
            ("key", key_text(report.keys)),
            ("TTL", ttl),
            ("billing", report.billing),
            ("items, as last counted", str(report.items)),
        ):
            grid.add_row(Text(label, style="bold"), Text(value))
        out = console()
        out.print(grid)
        for problem in report.problems:
            out.print(Text(f"MEND  {problem}", style="red"))
        if not report.problems:
            out.print(Text("Nothing to mend.", style="green"))
    sys.exit(int(bool(report.problems)))
