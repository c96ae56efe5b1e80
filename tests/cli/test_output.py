from __future__ import annotations

import io
import sys
import time

import click
import pytest
from rich.text import Text

from idemlambda.cli import _output
from idemlambda.cli._attempts import Attempted
from idemlambda.cli._output import answer_of, attempt_document, attempts_table, console, fail, print_json, wait
from idemlambda.cli._watch import DynamoCall

CALL = DynamoCall("PutItem", ({"table": "records", "item": {}},))
OTHER = DynamoCall("PutItem", ({"table": "orders", "item": {}},))


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("no_color", "has_colour"), [(None, True), ("1", False)])
def test_colour_is_for_terminals_and_can_be_switched_off(
    no_color: str | None, *, has_colour: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A terminal gets colour unless NO_COLOR is set; a pipe never does."""
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "80")
    if no_color:
        monkeypatch.setenv("NO_COLOR", no_color)
    for stream, coloured in ((Terminal(), has_colour), (io.StringIO(), False)):
        console(stream).print(Text("x", style="red"))
        assert ("\x1b[31m" in stream.getvalue()) is coloured


def test_a_pipe_gets_wide_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nobody says how wide a line is, it is 120 columns."""
    monkeypatch.delenv("COLUMNS", raising=False)
    assert console(io.StringIO()).width == 120
    monkeypatch.setenv("COLUMNS", "77")
    assert console(io.StringIO()).width == 77


def test_an_error_is_one_line() -> None:
    """An error of several lines is told in one, and ends the command with 1."""
    with pytest.raises(click.ClickException, match=r"^a b$") as raised:
        fail("a\n   b")
    assert raised.value.exit_code == 1


def test_waiting_is_shown_on_standard_error_only(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A wait takes its time, says why on standard error, and writes nothing else; a terminal sees a bar."""
    started = time.monotonic()
    wait(0.15, "Waiting for it")
    assert time.monotonic() - started >= 0.15
    out, err = capsys.readouterr()
    assert (out, err) == ("", "Waiting for it: 0.1 s\n") or err == "Waiting for it: 0.2 s\n"

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(_output, "TICK", 0.01)
    started = time.monotonic()
    wait(0.1, "Waiting for it")
    assert time.monotonic() - started >= 0.1
    assert "Waiting for it" in terminal.getvalue()
    assert capsys.readouterr().out == ""


def test_json_is_printed_readably(capsys: pytest.CaptureFixture[str]) -> None:
    """JSON keeps its letters as they are, and ends with a line break."""
    print_json({"name": "Zoë", "data": b"\x00"})
    assert capsys.readouterr().out == '{\n  "name": "Zoë",\n  "data": "AA=="\n}\n'


def test_the_documents_of_attempts() -> None:
    """A program gets the calls to the record's table by name, and what there is of result, error and hints."""
    done = Attempted(1, "executed", has_run=True, milliseconds=1.26, calls=[CALL, OTHER, CALL], result=None)
    assert attempt_document(done, "records") == {
        "number": 1,
        "outcome": "executed",
        "handler_ran": True,
        "dynamodb_calls": ["PutItem", "PutItem"],
        "milliseconds": 1.3,
        "result": None,
    }
    busy = Attempted(2, "in_progress", has_run=False, milliseconds=1, error="InProgress: busy", retry_after=2.50049)
    assert attempt_document(busy, "records") | {"milliseconds": 0} == {
        "number": 2,
        "outcome": "in_progress",
        "handler_ran": False,
        "dynamodb_calls": [],
        "milliseconds": 0,
        "error": "InProgress: busy",
        "retry_after": 2.5,
    }
    reused = Attempted(3, "key_reused", has_run=False, milliseconds=1, error="KeyReused: x", changed=("/quantity",))
    assert attempt_document(reused, "records")["changed"] == ["/quantity"]
    killed = Attempted(4, "killed", has_run=True, milliseconds=1)
    assert {"result", "error"}.isdisjoint(attempt_document(killed, "records"))


def test_the_table_of_attempts() -> None:
    """A person gets a row for each attempt, and no markup of a result is obeyed."""
    attempts = [
        Attempted(1, "executed", has_run=True, milliseconds=12.4, calls=[CALL, CALL], result="[red]a[/red]"),
        Attempted(2, "executed, replayed", has_run=False, milliseconds=0.4, error="x" * 400),
        Attempted(3, "killed", has_run=True, milliseconds=1),
    ]
    stream = io.StringIO()
    console(stream).print(attempts_table(attempts, "records"))
    text = stream.getvalue()
    assert "2  PutItem, PutItem" in text
    assert '"[red]a[/red]"' in text
    assert answer_of(attempts[1]) == "x" * 299 + "…"
    assert answer_of(attempts[2]) == ""
