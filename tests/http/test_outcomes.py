"""Laws of `@idem.http` where things go wrong: in progress, a store that is down, claims that are lost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from idemlambda.app import Idempotency
from idemlambda.errors import StoreUnavailable
from idemlambda.memory import MemoryStore
from idemlambda.ports import Found, Insert, Replace, StoreOp
from idemlambda.testing import FakeClock, LambdaContext

Event = dict[str, Any]
EventOf = Callable[..., Event]
ProblemOf = Callable[[Any], Any]


class Failing:
    """A store on which chosen operations fail."""

    def __init__(self, *kinds: type[StoreOp]) -> None:
        self.inner = MemoryStore()
        self.kinds = kinds

    def send(self, op: StoreOp) -> Found:
        """Carry out one operation, or fail without having applied it."""
        if isinstance(op, self.kinds):
            raise StoreUnavailable("the store is down", in_doubt=False)
        return self.inner.send(op)


def test_a_duplicate_in_progress_is_told_to_wait(desk: Any, event_of: EventOf, problem_of: ProblemOf) -> None:
    """While the first request runs, a second is 409 with what is left of the lease, rounded up to whole seconds."""
    seen: list[Any] = []

    @desk.idem.http(namespace="busy")  # type: ignore[untyped-decorator]  # the desk is untyped
    def handler(event: Event, context: object) -> object:
        desk.clock.advance(ms=700)
        seen.append(handler(event, context))
        return {"statusCode": 201}

    assert handler(event_of("alb"), LambdaContext(3, clock=desk.clock))["statusCode"] == 201
    (second,) = seen
    # Lambda's deadline after 3 s, and a skew of 2 s: 4.3 s are left.
    assert second["headers"]["Retry-After"] == "5"
    assert problem_of(second)["code"] == "in_progress"
    assert second["headers"]["Idempotency-Key"].startswith('"5f0d')


def test_a_store_that_is_down_is_503_and_runs_nothing(event_of: EventOf, problem_of: ProblemOf) -> None:
    """Without the store nobody can say whether the request was carried out before."""
    ran: list[object] = []

    @Idempotency(Failing(Insert), clock=FakeClock()).http(namespace="down")
    def handler(event: Event, context: object) -> object:
        ran.append(event)
        return {"statusCode": 201}

    answer: Any = handler(event_of("alb"), None)
    assert problem_of(answer)["code"] == "store_unavailable"
    assert (answer["statusCode"], answer["headers"]["Retry-After"]) == (503, "1")
    assert ran == []


def test_a_store_that_is_down_can_be_run_without(event_of: EventOf) -> None:
    """`without_store="run"` hands the answer on, whether or not it would have been stored."""
    for status in (201, 503):
        idem = Idempotency(Failing(Insert), clock=FakeClock(), without_store="run")

        @idem.http(namespace="run")
        def handler(event: Event, context: object, status: int = status) -> object:
            return {"statusCode": status}

        answer: Any = handler(event_of("alb"), None)
        assert answer["statusCode"] == status


@pytest.mark.parametrize(("unrecorded", "status"), [("raise", 503), ("return", 201)])
def test_an_answer_that_could_not_be_recorded(
    unrecorded: Any, status: int, event_of: EventOf, problem_of: ProblemOf
) -> None:
    """What ran and is not recorded is a 503 of its own code, or the answer itself where that is asked for."""
    idem = Idempotency(Failing(Replace), clock=FakeClock(), unrecorded=unrecorded)

    @idem.http(namespace="unrecorded")
    def handler(event: Event, context: object) -> object:
        return {"statusCode": 201, "body": "done"}

    answer: Any = handler(event_of("alb"), None)
    assert answer["statusCode"] == status
    if unrecorded == "raise":
        assert problem_of(answer)["code"] == "not_stored"
    else:
        assert answer["body"] == "done"


def test_a_lost_claim_is_answered_with_its_successors_result(desk: Any, event_of: EventOf) -> None:
    """A request that outlived its lease gets the answer of the one that took over, as a replay."""
    order: list[Any] = []

    @desk.idem.http(namespace="lost")  # type: ignore[untyped-decorator]  # the desk is untyped
    def handler(event: Event, context: object) -> object:
        run = len(order)
        order.append(run)
        if run == 0:
            desk.clock.advance(seconds=61)  # the lease of 60 s is over
            order.append(handler(event, context))
        return {"statusCode": 201, "body": f"run {run}"}

    first = handler(event_of("alb"), None)
    assert order[2]["body"] == first["body"] == "run 1"
    assert first["headers"]["Idempotency-Replayed"] == "true"


def test_a_claim_taken_over_without_a_result_is_lost(desk: Any, event_of: EventOf, problem_of: ProblemOf) -> None:
    """Where the successor has no result yet, the first request is 409 and may come again after a second."""
    runs: list[int] = []

    @desk.idem.http(namespace="taken")  # type: ignore[untyped-decorator]  # the desk is untyped
    def handler(event: Event, context: object) -> object:
        runs.append(len(runs))
        if len(runs) == 1:
            desk.clock.advance(seconds=61)
            with pytest.raises(KeyboardInterrupt):
                handler(event, context)
            return {"statusCode": 201}
        raise KeyboardInterrupt  # killed: its claim stands

    answer = handler(event_of("alb"), None)
    assert problem_of(answer)["code"] == "claim_lost"
    assert (answer["statusCode"], answer["headers"]["Retry-After"]) == (409, "1")


def test_an_unkept_answer_after_a_takeover_gives_way_to_the_record(desk: Any, event_of: EventOf) -> None:
    """A late 503 whose successor has an answer is answered with that, as a replay."""
    runs: list[int] = []

    @desk.idem.http(namespace="late")  # type: ignore[untyped-decorator]  # the desk is untyped
    def handler(event: Event, context: object) -> object:
        runs.append(len(runs))
        if len(runs) == 1:
            desk.clock.advance(seconds=61)
            handler(event, context)
            return {"statusCode": 503}
        return {"statusCode": 201}

    answer = handler(event_of("alb"), None)
    assert (answer["statusCode"], answer["headers"]["Idempotency-Replayed"]) == (201, "true")


def test_an_answer_too_large_is_told_of_on_retry(desk: Any, event_of: EventOf, problem_of: ProblemOf) -> None:
    """The first caller gets a result that cannot be kept, a retry is 409, and nothing runs twice."""
    handler = desk.handler({"statusCode": 200, "body": "x" * 100}, max_result_bytes=50)
    assert handler(event_of("alb"), None)["statusCode"] == 200
    assert problem_of(handler(event_of("alb"), None))["code"] == "result_not_kept"
    assert len(desk.ran) == 1
