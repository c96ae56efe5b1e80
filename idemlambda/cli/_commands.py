"""The command line: its commands, `--version`, and tab completion."""

from __future__ import annotations

from importlib import metadata
from typing import Final, cast

import click
from click.shell_completion import ShellComplete, get_completion_class

from idemlambda.cli.demo import demo
from idemlambda.cli.invoke import invoke
from idemlambda.cli.serve import serve
from idemlambda.cli.table import table

SHELLS: Final = ("bash", "zsh", "fish")
"""The shells that click can complete for."""


def version() -> str:
    """The installed version, or that there is none: the source can be run where it lies."""
    try:
        return metadata.version("idemlambda")
    except metadata.PackageNotFoundError:
        return "(not installed)"


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(version(), prog_name="idemlambda")
def commands() -> None:
    """Idempotent AWS Lambda handlers: see one work, try your own, check its table."""


@commands.command()
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the script for tab completion.

    For this session: eval "$(idemlambda completion bash)"
    """
    complete = cast("type[ShellComplete]", get_completion_class(shell))  # never None for one of SHELLS
    click.echo(complete(context.find_root().command, {}, "idemlambda", "_IDEMLAMBDA_COMPLETE").source())


for command in (demo, invoke, serve, table):
    commands.add_command(command)
