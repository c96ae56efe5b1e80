from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from idemlambda.cli import invoke as room
from idemlambda.cli._aws import dynamodb_client, table_client
from idemlambda.cli._embedded import embedded_dynamodb
from idemlambda.table import create

Run = Callable[..., Result]
Write = Callable[[str], str]

ECHO = """
@idem.handler(key="id")
def handler(event, context):
    print("a line of the handler's own")
    return {"quantity": event["quantity"]}
"""


def documents(stdout: str) -> list[dict[str, Any]]:
    """The attempts of a JSON document."""
    return list(json.loads(stdout)["attempts"])


def test_the_first_execution_costs_two_calls_and_a_replay_one(run: Run, write: Write, event: str) -> None:
    """In turn: executed with two DynamoDB calls, then replays with one each, and one record at the end."""
    result = run("invoke", write(ECHO), event, "--times", "3", "--json")
    assert result.exit_code == 0, result.output
    told = documents(result.stdout)
    assert [(one["outcome"], one["handler_ran"], len(one["dynamodb_calls"])) for one in told] == [
        ("executed", True, 2),
        ("replayed", False, 1),
        ("replayed", False, 1),
    ]
    assert {str(one["result"]) for one in told} == {"{'quantity': 2}"}
    (record,) = json.loads(result.stdout)["records"]
    assert (record["status"], record["data"]) == ("COMPLETED", '{"quantity":2}')
    assert "a line of the handler's own" in result.stderr


def test_of_attempts_at_once_one_runs(run: Run, write: Write, event: str) -> None:
    """Concurrent attempts never run the function twice: one executes, the others are refused or replayed."""
    result = run("invoke", write(ECHO), event, "--concurrent", "6", "--times", "2", "--json")
    assert result.exit_code == 0, result.output
    told = documents(result.stdout)
    assert [one["number"] for one in told] == list(range(1, 13))
    assert sum(one["handler_ran"] is True for one in told) == 1
    assert {one["outcome"] for one in told} <= {"executed", "in_progress", "replayed"}
    assert [one["outcome"] for one in told[6:]] == ["replayed"] * 6


def test_a_person_gets_tables(run: Run, write: Write, event: str) -> None:
    """Without --json: a table of attempts and one of the record; the table is named by the environment."""
    result = run("invoke", write(ECHO), event, IDEMLAMBDA_TABLE="my-records")
    assert result.exit_code == 0, result.output
    assert "executed" in result.stdout
    assert "The record in my-records" in result.stdout
    assert "COMPLETED" in result.stdout


def test_a_handler_without_a_record_is_told_so(run: Run, write: Write, event: str) -> None:
    """A handler that is not idempotent at all is `unprotected`, and there is no record."""
    result = run("invoke", write("def handler(event, context): return 1"), event)
    assert result.exit_code == 0, result.output
    assert "unprotected" in result.stdout
    assert "No record in idempotency." in result.stdout


@pytest.mark.parametrize(
    ("body", "outcome"), [("raise ValueError('no stock')", "failed"), ("raise ConfigError('x')", "misconfigured")]
)
def test_an_unexpected_error_is_exit_code_1(body: str, outcome: str, run: Run, write: Write, event: str) -> None:
    """A handler that fails, or that is set up wrongly, ends the command with 1 and a line about it."""
    result = run("invoke", write(f"def handler(event, context): {body}"), event, "--json")
    assert result.exit_code == 1
    (told,) = documents(result.stdout)
    assert told["outcome"] == outcome


def test_a_refusal_is_no_unexpected_error(run: Run, write: Write, event: str) -> None:
    """What the kit refuses is an outcome: exit code 0."""
    code = "def handler(event, context): raise InProgress('busy', retry_after=1)"
    result = run("invoke", write(code), event, "--json")
    assert result.exit_code == 0
    assert documents(result.stdout)[0]["retry_after"] == 1


def test_a_crash_is_waited_for_and_taken_over(run: Run, write: Write, event: str) -> None:
    """After a real SIGKILL a retry is refused with the seconds left; after the lease the next one takes over."""
    code = ECHO.replace("idem.handler(", "idem.but(skew=0.2).handler(")
    result = run("invoke", write(code), event, "--crash", "--timeout", "1", "--times", "2", "--json")
    assert result.exit_code == 0, result.output
    told = documents(result.stdout)
    assert [one["outcome"] for one in told] == ["killed", "in_progress", "executed", "replayed"]
    assert 0 < float(str(told[1]["retry_after"])) <= 1.2
    assert "Waiting until the dead attempt's lease ends" in result.stderr
    (record,) = json.loads(result.stdout)["records"]
    assert (record["attempt"], record["status"]) == (2, "COMPLETED")


def test_nothing_is_waited_for_where_no_claim_stands(run: Run, write: Write, event: str) -> None:
    """A killed attempt whose claim died with it is followed at once; one that never began is told as it ended."""
    code = ECHO.replace("idem.handler(", "Idempotency(MemoryStore()).handler(")
    killed = run("invoke", write("from idemlambda.memory import MemoryStore\n" + code), event, "--crash", "--json")
    assert [one["outcome"] for one in documents(killed.stdout)] == ["killed", "executed", "replayed"]
    bare = run("invoke", write("def handler(event, context): return 1"), event, "--crash", "--json")
    assert [one["outcome"] for one in documents(bare.stdout)] == ["unprotected", "unprotected"]


def test_a_real_table_is_used_with_the_environment_as_it_is(
    run: Run, write: Write, event: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With --table the handler meets that table, and finds its name in IDEMLAMBDA_TABLE."""
    with embedded_dynamodb():
        client = dynamodb_client()
        create(table_client(), "live")
        target = write("import os\n" + ECHO.replace('event["quantity"]', 'os.environ["IDEMLAMBDA_TABLE"]'))
        for outcome in ("executed", "replayed"):
            result = run("invoke", target, event, "--table", "live", "--json")
            (told,) = documents(result.stdout)
            assert (told["outcome"], told["result"]) == (outcome, {"quantity": "live"})
        assert client.scan(TableName="live")["Count"] == 1
        client.close()


def test_a_table_that_is_not_there_is_told_precisely(run: Run, write: Write, event: str) -> None:
    """An unknown table is a set-up that cannot work: named in the attempt, and one line about the records."""
    with embedded_dynamodb():
        result = run("invoke", write(ECHO), event, "--table", "nowhere", "--json")
    assert result.exit_code == 1
    assert "nowhere" in result.output
    assert "Traceback" not in result.output


def test_without_a_region_one_line_says_so(run: Run, write: Write, event: str) -> None:
    """A real table without a region is refused in one line."""
    result = run("invoke", write(ECHO), event, "--table", "live")
    assert result.exit_code == 1
    assert "AWS_DEFAULT_REGION" in result.stderr
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["app"], "Missing argument 'EVENT.json'"),
        (["nope:handler", "event.json"], "There is no module 'nope'"),
        (["nope:handler", "gone.json"], "There is no file 'gone.json'"),
        (["nope:handler", "event.json", "--times", "0"], "0 is not in the range 1<=x<=100"),
        (["nope:handler", "event.json", "--timeout", "6000"], "6000.0 is not in the range"),
    ],
)
def test_wrong_usage_is_exit_code_2(words: list[str], says: str, run: Run, event: str) -> None:
    """What is typed wrongly is refused with 2 and what is wrong, and standard output stays empty."""
    result = run("invoke", *words)
    assert (result.exit_code, result.stdout) == (2, "")
    assert says in result.stderr


def test_the_plan_is_bounded() -> None:
    """Nobody starts a million attempts by a slip of the hand."""
    assert room.MOST == 100


def test_in_a_process_of_its_own_standard_output_is_json_only(write: Write, event: str, desk: Path) -> None:
    """From a shell: no AWS in the environment, a handler that logs to standard output, and JSON comes out alone."""
    code = "import logging, sys\nlogging.basicConfig(stream=sys.stdout, level='INFO')\nlogging.info('x')\n" + ECHO
    done = subprocess.run(  # noqa: S603 - this Python
        [sys.executable, "-m", "idemlambda.cli", "invoke", write(code), event, "--times", "2", "--json"],
        capture_output=True, text=True, check=True, timeout=60, cwd=desk,
    )  # fmt: skip
    assert [one["outcome"] for one in documents(done.stdout)] == ["executed", "replayed"]


def test_a_newcomer_is_told_what_may_surprise(run: Run, write: Write, event: str) -> None:
    """After one attempt the embedded record is gone; an undecorated handler claims nothing, and a crash leaves none."""
    assert "--times 2 shows a replay" in run("invoke", write(ECHO), event).stderr
    assert "--times 2" not in run("invoke", write(ECHO), event, "--times", "2").stderr
    plain = write("def handler(event, context):\n    return 1\n")
    assert "Nothing was claimed: is" in run("invoke", plain, event).stderr
    assert "no claim that a crash could leave" in run("invoke", plain, event, "--crash").stderr
