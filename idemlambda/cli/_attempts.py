"""Attempts at a handler: one, several in turn, or several at once."""

from __future__ import annotations

import copy
import inspect
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Final, cast

from idemlambda._guarded import outcome_of
from idemlambda.cli._places import place_of
from idemlambda.cli._watch import DynamoCall, Watch
from idemlambda.errors import ConfigError, IdempotencyError, KeyReused, Retryable
from idemlambda.invocation import function_name
from idemlambda.testing import LambdaContext

Handler = Callable[[object, object], object]

UNEXPECTED: Final = frozenset({"failed", "misconfigured"})
"""Outcomes that are nobody's plan: the handler's own error, and a set-up that cannot work."""


@dataclass(slots=True)
class Attempted:
    """What became of one attempt.

    Attributes:
        number: Counted from 1.
        outcome: A name of `ports.OutcomeName`, or `killed`, or `misconfigured`.
        has_run: Whether an idempotent function ran, or a handler without one.
        milliseconds: How long the handler took, all in all.
        calls: The DynamoDB calls made by it.
        result: What it returned.
        error: What it raised, in one line.
        retry_after: Seconds after which a retry makes sense, where the error says so.
        changed: JSON pointers of what changed, where the error says so.
        attempt: Which attempt at the key the answer comes from; 0 where there is none.
        late_by: Milliseconds that the handler ran past its time-out, where Lambda would have killed it.
    """

    number: int
    outcome: str
    has_run: bool
    milliseconds: float
    calls: list[DynamoCall] = field(default_factory=list[DynamoCall])
    result: object = None
    error: str | None = None
    retry_after: float | None = None
    changed: tuple[str, ...] = ()
    attempt: int = 0
    late_by: float = 0

    @property
    def is_unexpected(self) -> bool:
        """Whether the command should end with an error."""
        return self.outcome in UNEXPECTED or self.late_by > 0


def attempt(
    handler: Handler, event: object, *, timeout: float, number: int = 1, at_start: Callable[[Watch], None] | None = None
) -> Attempted:
    """Call a handler once, as Lambda would: with its own copy of the event and a context that counts down."""
    watch = Watch(at_start)
    result: object = None
    raised: BaseException | None = None
    started = time.perf_counter()
    with watch.here():
        try:
            result = awaited(handler(copy.deepcopy(event), LambdaContext(timeout, function_name=function_name())))
        except (Exception, SystemExit) as error:  # noqa: BLE001 - every way in which a handler ends is a row of the table
            raised = error
    took = (time.perf_counter() - started) * 1000
    outer = watch.outer
    return Attempted(
        number=number,
        outcome=outcome(watch, raised),
        has_run=watch.has_run or (not outer and not isinstance(raised, IdempotencyError)),
        milliseconds=took,
        calls=watch.calls,
        result=result,
        error=None if raised is None else error_line(raised),
        retry_after=raised.retry_after if isinstance(raised, Retryable) else None,
        changed=raised.changed if isinstance(raised, KeyReused) else (),
        attempt=max((seen.attempt for seen in outer), default=0),
        late_by=max(took - timeout * 1000, 0),
    )


def awaited(result: object) -> object:
    """The result itself, or what the coroutine of an async handler comes to."""
    if not inspect.iscoroutine(result):
        return result
    import asyncio

    return asyncio.run(cast("Coroutine[Any, Any, object]", result))


def outcome(watch: Watch, raised: BaseException | None) -> str:
    """What one attempt came to: the outcome of its idempotent calls, unless the handler failed apart from them."""
    if isinstance(raised, ConfigError):
        return "misconfigured"
    told = [seen for seen in watch.outer if raised is None or seen.error is raised]
    if told:
        return ", ".join(dict.fromkeys(seen.outcome for seen in told))
    if raised is None:
        return "unprotected"
    return outcome_of(raised) if isinstance(raised, Exception) else "failed"


def error_line(error: BaseException) -> str:
    """An error in one line: its type, its message, and for a stranger's error the place that raised it."""
    text = " ".join(f"{type(error).__name__}: {error}".split())
    return text if isinstance(error, IdempotencyError | ConfigError) else text + place_of(error)


def attempts_at_once(
    handler: Handler, event: object, *, timeout: float, first_number: int, many: int
) -> list[Attempted]:
    """So many attempts, each in a thread of its own, started together."""
    if many == 1:
        return [attempt(handler, event, timeout=timeout, number=first_number)]
    from concurrent.futures import ThreadPoolExecutor
    from threading import Barrier

    together = Barrier(many)

    def one(number: int) -> Attempted:
        together.wait()
        return attempt(handler, event, timeout=timeout, number=number)

    with ThreadPoolExecutor(many) as pool:
        return list(pool.map(one, range(first_number, first_number + many)))
