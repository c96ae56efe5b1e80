"""The command `idemlambda`: its entry, which costs nothing until it is called."""

from __future__ import annotations

import sys
from typing import Final

NEEDED: Final = ("boto3", "click", "moto", "pydantic", "rich", "waitress")
"""What the extra `cli` installs and the commands import."""

USAGE: Final = 2
"""The exit code for a command that cannot be run as it was given; click's own."""


def main() -> None:
    """Run the command line; never returns.

    Raises:
        SystemExit: Always: 0 done, 1 something went wrong, 2 wrong usage or a missing extra.
    """
    from importlib.util import find_spec

    if any(find_spec(name) is None for name in NEEDED):
        sys.stderr.write("idemlambda's commands need an extra: pip install 'idemlambda[cli]'\n")
        sys.exit(USAGE)
    from idemlambda.cli._commands import commands

    commands(prog_name="idemlambda")
