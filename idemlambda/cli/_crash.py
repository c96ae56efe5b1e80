"""A real crash: a worker process that is killed as soon as an idempotent function has been claimed and begins."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from dataclasses import asdict, dataclass
from typing import Any, Final

from idemlambda.cli._attempts import Attempted
from idemlambda.cli._output import fail
from idemlambda.cli._watch import DynamoCall

PATIENCE: Final = 60
"""Seconds that a worker may take to import a handler, beside its time-out."""


@dataclass(frozen=True, slots=True)
class Order:
    """What a worker is told to do, and then to die at."""

    target: str
    event: object
    timeout: float
    is_embedded: bool


def killed_attempt(order: Order, *, number: int = 1) -> Attempted:
    """Run a handler in a worker process, and kill that process (SIGKILL) when the function has begun.

    Returns:
        The attempt, `killed`; or what it came to where no function began: a replay, a refusal, an error.

    Raises:
        click.ClickException: The worker ended by itself without a word, or said why.
    """
    command = [sys.executable, "-m", "idemlambda.cli._worker"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as worker:  # noqa: S603 - this Python
        limit = threading.Timer(PATIENCE + order.timeout, worker.kill)
        limit.start()
        try:
            word = ask(worker, order)
        finally:
            worker.kill()
            limit.cancel()
    if not word:
        fail(f"The worker process ended with code {worker.returncode} before {order.target} began.")
    told: dict[str, Any] = json.loads(word)
    if "failure" in told:
        fail(told["failure"])
    told["calls"] = [DynamoCall(call["operation"], tuple(call["targets"])) for call in told["calls"]]
    told["changed"] = tuple(told["changed"])
    told["number"] = number
    return Attempted(**told)


def ask(worker: subprocess.Popen[str], order: Order) -> str:
    """Tell the worker what to do, and read the one line that it answers; empty where it died first."""
    if worker.stdin is None or worker.stdout is None:
        raise TypeError("the worker has no pipes")
    try:
        worker.stdin.write(json.dumps(asdict(order)))
        worker.stdin.close()
    except BrokenPipeError:
        return ""
    return worker.stdout.readline()
