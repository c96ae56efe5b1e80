from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable

import pytest

from idemlambda.app import Idempotency
from idemlambda.cli._attempts import Handler, attempt, attempts_at_once
from idemlambda.cli._output import answer_of, attempt_document
from idemlambda.cli._places import place_of
from idemlambda.cli._watch import watching
from idemlambda.errors import ConfigError, InProgress, KeyReused
from idemlambda.memory import MemoryStore

EVENT = {"id": "a", "quantity": 2}


def raising(error: BaseException) -> Handler:
    """A handler that only raises."""

    def handler(event: object, context: object) -> object:
        raise error

    return handler


@pytest.fixture
def guarded(request: pytest.FixtureRequest) -> Callable[[Callable[..., object]], Handler]:
    """Makes a handler of a function, under a name of its own."""
    return Idempotency(MemoryStore(), remember=(KeyError,)).handler(key="id", namespace=request.node.name)


def test_each_attempt_has_its_own_event_and_a_countdown() -> None:
    """A handler that changes its event does not change the next attempt's, and its context counts down."""
    lefts: list[int] = []

    def handler(event: dict[str, object], context: object) -> object:
        lefts.append(context.get_remaining_time_in_millis())  # type: ignore[attr-defined]  # Lambda's context
        return event.pop("id")

    for _ in range(2):
        attempted = attempt(handler, EVENT, timeout=5)  # type: ignore[arg-type]  # it knows its events
        assert (attempted.result, attempted.outcome, attempted.has_run) == ("a", "unprotected", True)
    assert all(4_000 < left <= 5_000 for left in lefts)


@pytest.mark.parametrize(
    ("error", "outcome", "has_run", "is_unexpected"),
    [
        (InProgress("busy", retry_after=2.5), "in_progress", False, False),
        (KeyReused("other", changed=("/quantity",)), "key_reused", False, False),
        (ConfigError("no store"), "misconfigured", True, True),
        (ValueError("no stock"), "failed", True, True),
        (SystemExit(3), "failed", True, True),
    ],
)
def test_an_error_is_an_outcome(error: BaseException, outcome: str, has_run: bool, is_unexpected: bool) -> None:  # noqa: FBT001 - a column
    """Each way in which a handler can end has its outcome; only strangers and a bad set-up are unexpected."""
    attempted = attempt(raising(error), EVENT, timeout=1)
    assert (attempted.outcome, attempted.has_run, attempted.is_unexpected) == (outcome, has_run, is_unexpected)
    assert attempted.error is not None
    assert attempted.error.startswith(f"{type(error).__name__}: {error}")
    assert attempted.retry_after == getattr(error, "retry_after", None)
    assert attempted.changed == getattr(error, "changed", ())


def test_a_strangers_error_says_where_it_was_raised() -> None:
    """The line of a handler's own error names the file and line; one of the kit's speaks for itself."""
    assert str(attempt(raising(ValueError("x\n y")), EVENT, timeout=1).error).startswith("ValueError: x y (")
    assert __file__ in str(attempt(raising(ValueError("x")), EVENT, timeout=1).error)
    assert attempt(raising(ConfigError("x")), EVENT, timeout=1).error == "ConfigError: x"


def test_an_error_without_frames_is_told_without_a_place() -> None:
    """An error that was never raised here has no place to tell."""
    from idemlambda.cli._attempts import error_line

    assert error_line(ValueError("x")) == "ValueError: x"


def test_a_remembered_error_is_an_answer(guarded: Callable[[Callable[..., object]], Handler]) -> None:
    """An error that `remember=` lists is executed once and replayed, and no failure of the command."""

    def handler(event: object, context: object) -> object:
        raise KeyError("gone")

    with watching():
        remembered = [attempt(guarded(handler), EVENT, timeout=1) for _ in range(2)]
    assert [attempted.outcome for attempted in remembered] == ["executed", "replayed"]
    assert not any(attempted.is_unexpected for attempted in remembered)


def test_a_failure_beside_an_idempotent_call_is_a_failure(
    guarded: Callable[[Callable[..., object]], Handler],
) -> None:
    """A handler that fails after its idempotent function succeeded has failed."""
    inner = guarded(lambda event, context: event)

    def handler(event: object, context: object) -> object:
        inner(event, context)
        raise ValueError("afterwards")

    with watching():
        attempted = attempt(handler, EVENT, timeout=1)
    assert (attempted.outcome, attempted.has_run, attempted.attempt) == ("failed", True, 1)


def test_several_idempotent_calls_tell_all_their_outcomes(
    guarded: Callable[[Callable[..., object]], Handler],
) -> None:
    """The outcomes of several calls of one handler are told, each once, in order."""
    inner = guarded(lambda event, context: event)

    def handler(event: object, context: object) -> object:
        return [inner(event, context) for _ in range(3)]

    with watching():
        assert attempt(handler, EVENT, timeout=1).outcome == "executed, replayed"


def test_an_async_handler_is_awaited(guarded: Callable[[Callable[..., object]], Handler]) -> None:
    """A coroutine function runs to its end, in a loop of its own."""

    async def handler(event: object, context: object) -> object:
        return event

    with watching():
        attempted = [attempt(guarded(handler), EVENT, timeout=1) for _ in range(2)]
    assert [(one.outcome, one.result) for one in attempted] == [("executed", EVENT), ("replayed", EVENT)]


def test_attempts_at_once_run_at_once() -> None:
    """Concurrent attempts meet in mid-handler: none waits for another to end."""
    meeting = threading.Barrier(4, timeout=10)
    attempted = attempts_at_once(lambda event, context: meeting.wait() < 4, EVENT, timeout=1, first_number=3, many=4)
    assert [one.number for one in attempted] == [3, 4, 5, 6]
    assert all(one.result is True for one in attempted)
    (alone,) = attempts_at_once(lambda event, context: 1, EVENT, timeout=1, first_number=9, many=1)
    assert alone.number == 9


def test_a_handler_that_runs_past_its_time_out_is_told_of() -> None:
    """Lambda would have killed it: the attempt is unexpected, in the table and for a program."""

    def slow(event: object, context: object) -> str:
        time.sleep(0.15)
        return "done"

    late = attempt(slow, {}, timeout=0.1)
    assert late.is_unexpected
    assert late.late_by >= 40
    assert "past its time-out, where Lambda would have killed it" in answer_of(late)
    assert attempt_document(late, "records")["late_by_milliseconds"] == round(late.late_by, 1)
    assert not attempt(slow, {}, timeout=5).is_unexpected


def test_the_place_of_an_error_is_the_users_line() -> None:
    """Neither this package's lines nor the standard library's are shown where the user's own are in the traceback."""
    with pytest.raises(json.JSONDecodeError) as raised:
        json.loads("{")
    assert place_of(raised.value).startswith(f" ({__file__}:")
