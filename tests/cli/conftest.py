"""Handlers written to a folder, commands run in this process, and an environment without AWS in it."""

from __future__ import annotations

import json
import os
import sys
import textwrap
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from idemlambda.cli._aws import table_client
from idemlambda.cli._commands import commands
from idemlambda.cli._embedded import embedded_dynamodb
from idemlambda.cli._watch import watching
from idemlambda.table import create

Run = Callable[..., Result]
Write = Callable[[str], str]

ROOT = Path(__file__).parents[2]

HEAD = """
from idemlambda.app import Idempotency
from idemlambda.errors import ConfigError, InProgress

idem = Idempotency()
"""


@pytest.fixture(autouse=True)
def desk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """An empty working directory, no AWS in the environment, and what was imported from there forgotten."""
    for name in [*os.environ]:
        # A test runner may set COLUMNS for its own output.
        if name.startswith(("AWS_", "IDEMLAMBDA_")) or name == "COLUMNS":
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    # A worker process finds the source where it lies, too.
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH")))))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    known = {*sys.modules}
    yield tmp_path
    for name in {*sys.modules} - known:
        module = sys.modules[name]
        if str(tmp_path) in str(getattr(module, "__file__", None)):
            del sys.modules[name]


@pytest.fixture
def run() -> Run:
    """Runs a command line in this process."""

    def run(*words: str, **env: str) -> Result:
        return CliRunner().invoke(commands, words, env=env, prog_name="idemlambda")

    return run


@pytest.fixture
def write(desk: Path) -> Write:
    """Writes a module with a handler, and says its MODULE:HANDLER; its name is new each time."""

    def write(code: str) -> str:
        name = f"app_{uuid.uuid4().hex}"
        (desk / f"{name}.py").write_text(HEAD + textwrap.dedent(code), "utf-8")
        return f"{name}:handler"

    return write


@pytest.fixture
def event(desk: Path) -> str:
    """The path of an event."""
    path = desk / "event.json"
    path.write_text(json.dumps({"id": "order-1", "quantity": 2}), "utf-8")
    return str(path)


@pytest.fixture
def table() -> Iterator[str]:
    """An embedded DynamoDB with one table, watched; the environment leads to it."""
    with embedded_dynamodb(), watching():
        create(table_client(), "records")
        os.environ["IDEMLAMBDA_TABLE"] = "records"
        yield "records"
        del os.environ["IDEMLAMBDA_TABLE"]
