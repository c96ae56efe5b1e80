from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from click.testing import Result

from idemlambda.cli import demo as room
from idemlambda.cli._attempts import Attempted
from idemlambda.cli.demo import BUSY, Fault, Stage, check, demo_path, refusal

Run = Callable[..., Result]


def test_the_demo_shows_the_main_job_from_a_shell(desk: Path) -> None:
    """Without AWS in the environment: run once, replay, refuse, in progress, crash and takeover, in bounded time."""
    done = subprocess.run(
        [sys.executable, "-m", "idemlambda.cli", "demo", "--json"],
        capture_output=True, text=True, timeout=120, check=False, cwd=desk,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert [(step["outcome"], step["handler_ran"], len(step["dynamodb_calls"])) for step in told["steps"]] == [
        ("executed", True, 2),
        ("replayed", False, 1),
        ("key_reused", False, 1),
        ("in_progress", False, 1),
        ("executed", True, 2),
        ("killed", True, 1),
        ("in_progress", False, 1),
        ("executed", True, 3),
    ]
    first, again, changed, busy = told["steps"][:4]
    assert again["result"] == first["result"]
    assert changed["changed"] == ["/quantity"]
    assert 0 < busy["retry_after"] <= 5
    assert all(step["problems"] == [] for step in told["steps"])
    assert [record["attempt"] for record in told["records"]] == [1, 1, 2]
    assert "Waiting until the dead worker's lease ends" in done.stderr


def test_a_person_gets_tables(run: Run) -> None:
    """The same for a person: a row for each step, and the record of the order that survived a crash."""
    result = run("demo")
    assert result.exit_code == 0, result.output
    for text in ("1 first execution", "2 replay", "/quantity", "4 in progress", "5 crash", "6 takeover", "COMPLETED"):
        assert text in result.stdout
    assert "WRONG" not in result.stdout


@pytest.mark.parametrize("flag", [(), ("--json",)])
def test_a_step_that_goes_wrong_is_exit_code_1(
    flag: tuple[str, ...], run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An expectation that fails is told beside its step, and the command ends with 1."""
    monkeypatch.setattr(room, "play", room.once_and_again)
    monkeypatch.setattr(room, "REPLAYED", room.EXECUTED)
    result = run("demo", *flag)
    assert result.exit_code == 1
    assert "the outcome is replayed, not executed" in result.stdout


def test_each_expectation_is_checked() -> None:
    """Outcome, run, calls and further faults are each told when they are not as they should be, and only then."""
    right = Attempted(0, "in_progress", has_run=False, milliseconds=1, calls=[])
    assert check("", "", right, BUSY, Fault("never", is_there=False)).problems == ("0 DynamoDB calls were made, not 1",)
    wrong = Attempted(0, "failed", has_run=True, milliseconds=1, error="ValueError: x")
    assert check("", "", wrong, BUSY, Fault("also this", is_there=True)).problems == (
        "the outcome is failed, not in_progress: ValueError: x",
        "the handler ran",
        "0 DynamoDB calls were made, not 1",
        "also this",
    )


def test_a_refusal_tells_the_seconds() -> None:
    """A refusal says how long the claim holds, where that is known."""
    assert "for 2.5 s more" in refusal(Attempted(0, "in_progress", has_run=False, milliseconds=1, retry_after=2.46))
    assert "an unknown time" in refusal(Attempted(0, "failed", has_run=False, milliseconds=1))


def test_the_files_of_the_demo_are_found_in_a_wheel_and_in_a_clone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An installed wheel carries the example and the events; in a clone they lie where they are written."""
    assert (demo_path("orders") / "app.py").is_file()
    assert (demo_path("events") / "direct.json").is_file()
    monkeypatch.setattr(room, "__file__", str(tmp_path / "site" / "idemlambda" / "cli" / "demo.py"))
    with pytest.raises(click.ClickException, match="examples/orders is missing"):
        demo_path("orders")
    inside = tmp_path / "site" / "idemlambda" / "cli" / "_demo" / "orders"
    inside.mkdir(parents=True)
    assert demo_path("orders") == inside


def test_the_ledger_is_that_of_the_example() -> None:
    """Effects are counted in the example's own books."""
    assert Stage("app:handler", lambda event, context: event, {"a": 1}, [1]).run(a=2).result == {"a": 2}
