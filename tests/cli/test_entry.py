from __future__ import annotations

import importlib.util
import runpy
import subprocess
import sys
from importlib import metadata

import pytest

from idemlambda.cli import main
from idemlambda.cli._commands import SHELLS, version


@pytest.mark.parametrize("absent", ["click", "rich", "moto", "boto3", "pydantic"])
def test_without_the_extra_one_line_says_what_to_install(
    absent: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without one of the packages of the extra, the command says what to install, and exits with 2."""
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == absent else find(name))
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert capsys.readouterr() == ("", "idemlambda's commands need an extra: pip install 'idemlambda[cli]'\n")


def test_the_entry_costs_nothing() -> None:
    """Importing the entry loads neither click nor rich nor boto3."""
    code = "import sys, idemlambda.cli; print({'click', 'rich', 'boto3', 'moto'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30)  # noqa: S603 - this Python
    assert done.stdout == "set()\n"


def test_the_module_runs_the_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """`python -m idemlambda.cli` is the command."""
    monkeypatch.setattr(sys, "argv", ["idemlambda", "--version"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_module("idemlambda.cli", run_name="__main__")
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith("idemlambda, version ")


def test_importing_the_module_runs_nothing() -> None:
    """`idemlambda.cli.__main__` can be imported, for a worker that looks at its parent's main module."""
    assert runpy.run_module("idemlambda.cli.__main__", run_name="__mp_main__")["main"] is main


def test_the_version_is_that_of_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """`--version` tells the installed version, or that the source is run where it lies."""
    monkeypatch.setattr(metadata, "version", lambda name: {"idemlambda": "1.2.3"}[name])
    assert version() == "1.2.3"

    def none(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", none)
    assert version() == "(not installed)"


@pytest.mark.parametrize("shell", SHELLS)
def test_completion_scripts_name_the_command(shell: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """`completion SHELL` prints a script that completes `idemlambda`, for each shell."""
    from click.testing import CliRunner

    from idemlambda.cli._commands import commands

    result = CliRunner().invoke(commands, ["completion", shell])
    assert result.exit_code == 0
    assert "_IDEMLAMBDA_COMPLETE" in result.stdout
    assert "idemlambda" in result.stdout


def test_an_unknown_shell_is_a_usage_error() -> None:
    """A shell that cannot be completed for is refused with those that can."""
    from click.testing import CliRunner

    from idemlambda.cli._commands import commands

    result = CliRunner().invoke(commands, ["completion", "tcsh"])
    assert result.exit_code == 2
    assert "'bash', 'zsh', 'fish'" in result.stderr
