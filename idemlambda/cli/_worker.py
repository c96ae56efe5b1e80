"""The worker process of `_crash`: runs a handler, says how far it came, and waits to be killed."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict
from typing import TextIO

import click

from idemlambda.cli._attempts import Attempted, attempt
from idemlambda.cli._crash import PATIENCE, Order
from idemlambda.cli._embedded import isolated
from idemlambda.cli._records import jsonable
from idemlambda.cli._target import load_handler
from idemlambda.cli._watch import Watch, watching


def main() -> None:
    """Take an order from standard input, and answer on what was standard output: a handler's prints go elsewhere."""
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as answer:
        os.dup2(2, 1)
        work(Order(**json.load(sys.stdin)), answer, pause=time.sleep)


def work(order: Order, answer: TextIO, pause: Callable[[float], None]) -> None:
    """Run the handler; at the first start of an idempotent function answer, and pause to be killed.

    Args:
        order: What to run.
        answer: Where the one line goes.
        pause: Called with the longest time, in seconds, that the killer may take.
    """
    started = 0.0

    def at_start(watch: Watch) -> None:
        took = (time.perf_counter() - started) * 1000
        tell(answer, asdict(Attempted(1, "killed", has_run=True, milliseconds=took, calls=watch.calls)))
        pause(PATIENCE)

    with ExitStack() as stack:
        stack.enter_context(watching())
        if order.is_embedded:
            stack.enter_context(isolated())
        try:
            handler = load_handler(order.target)
        except click.ClickException as error:
            tell(answer, {"failure": error.format_message()})
            return
        started = time.perf_counter()
        tell(answer, asdict(attempt(handler, order.event, timeout=order.timeout, at_start=at_start)))


def tell(answer: TextIO, word: dict[str, object]) -> None:
    """Write one line, at once."""
    answer.write(json.dumps(word, default=jsonable) + "\n")
    answer.flush()


if __name__ == "__main__":
    main()
