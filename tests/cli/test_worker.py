from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import click
import pytest

from idemlambda.cli import _crash, _worker
from idemlambda.cli._crash import Order, ask, killed_attempt

Write = Callable[[str], str]

CODE = """
from idemlambda.memory import MemoryStore

@Idempotency(MemoryStore()).handler(key="id")
def handler(event, context):
    print("a handler's own line")
    return {"left": context.get_remaining_time_in_millis()}
"""


def words(order: Order) -> tuple[list[dict[str, Any]], list[float]]:
    """What a worker answers, and how long it pauses."""
    answer, pauses = io.StringIO(), list[float]()
    _worker.work(order, answer, pause=pauses.append)
    return [json.loads(line) for line in answer.getvalue().splitlines()], pauses


@pytest.mark.parametrize("is_embedded", [True, False])
def test_a_worker_tells_of_the_start_and_waits_to_be_killed(write: Write, *, is_embedded: bool) -> None:
    """At the start of the idempotent function the worker says so and pauses; what comes after is not waited for."""
    target = write(CODE)
    told, pauses = words(Order(target, {"id": "a"}, timeout=2, is_embedded=is_embedded))
    assert [word["outcome"] for word in told] == ["killed", "executed"]
    assert pauses == [_crash.PATIENCE]
    assert told[1]["result"]["left"] <= 2_000


def test_a_worker_says_why_it_cannot_work() -> None:
    """A target that cannot be imported is told, not a traceback."""
    told, pauses = words(Order("no_such_module:handler", {}, timeout=1, is_embedded=False))
    assert "no_such_module" in str(told[0]["failure"])
    assert pauses == []


def test_the_process_answers_apart_from_the_handlers_prints(write: Write) -> None:
    """The worker's standard output holds its answers only; what a handler prints goes to standard error."""
    target = write(CODE.replace('@Idempotency(MemoryStore()).handler(key="id")', ""))
    order = {"target": target, "event": {}, "timeout": 1, "is_embedded": False}
    done = subprocess.run(
        [sys.executable, "-m", "idemlambda.cli._worker"],
        input=json.dumps(order), capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert json.loads(done.stdout)["outcome"] == "unprotected"
    assert done.stderr == "a handler's own line\n"


def test_a_worker_is_killed_in_mid_handler(write: Write) -> None:
    """The attempt that is killed has claimed and begun; nothing of the handler's own ran to its end."""
    attempted = killed_attempt(Order(write(CODE), {"id": "a"}, timeout=2, is_embedded=False), number=4)
    assert (attempted.outcome, attempted.has_run, attempted.number) == ("killed", True, 4)
    assert attempted.result is None


def test_a_worker_that_ends_by_itself_is_an_error(write: Write, capfd: pytest.CaptureFixture[str]) -> None:
    """A worker that dies before the handler begins is told with its exit code; so is a target it cannot import."""
    target = write("import os\nos._exit(7)\n")
    with pytest.raises(click.ClickException, match="ended with code 7 before"):
        killed_attempt(Order(target, {}, timeout=1, is_embedded=False))
    with pytest.raises(click.ClickException, match="There is no module 'no_such_module'"):
        killed_attempt(Order("no_such_module:handler", {}, timeout=1, is_embedded=False))
    assert capfd.readouterr().out == ""


def test_a_worker_that_is_gone_gives_no_answer() -> None:
    """A worker whose pipe is closed before it is asked has no answer; one without pipes is no worker."""
    with subprocess.Popen([sys.executable, "-c", ""], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as gone:
        gone.wait(30)
        assert ask(gone, Order("app:handler", "x" * 200_000, timeout=1, is_embedded=False)) == ""
    with subprocess.Popen([sys.executable, "-c", ""], text=True) as deaf, pytest.raises(TypeError, match="no pipes"):
        ask(deaf, Order("app:handler", {}, timeout=1, is_embedded=False))
