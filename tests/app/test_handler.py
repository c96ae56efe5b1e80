"""Laws of `@idem.handler`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from idemlambda import ConfigError, Idempotency, InProgress, KeyInvalid, KeyMissing, KeyReused, MemoryStore
from idemlambda.ports import Outcome
from idemlambda.testing import FakeClock, LambdaContext, RecordedStore

EVENTS = Path(__file__).parents[2] / "events"
ORDER = {"order_id": "o-1", "quantity": 2}
Event = dict[str, Any]


class Desk:
    """A configuration on a recorded memory store, with what it told and what ran."""

    def __init__(self, **settings: Any) -> None:
        self.clock = FakeClock()
        self.store = RecordedStore(MemoryStore())
        self.outcomes: list[Outcome] = []
        self.ran: list[object] = []
        self.idem = Idempotency(self.store, clock=self.clock, observers=(self.outcomes.append,), **settings)

    def place(self, event: Event, context: object) -> object:
        """A handler that notes that it ran."""
        self.ran.append(event)
        return {"order": event.get("order_id"), "run": len(self.ran)}

    def handler(self, **options: Any) -> Callable[[Event, object], object]:
        """The handler under this configuration, in a namespace of its own."""
        return self.idem.handler(**options)(self.place)

    def told(self) -> list[str]:
        """The names of the outcomes told so far."""
        return [outcome.name for outcome in self.outcomes]


def test_a_retry_gets_the_first_result_and_does_not_run() -> None:
    """Two equal events run the handler once and get equal results, with 2 store calls and then 1."""
    desk = Desk()
    handler = desk.handler(key="order_id")
    first = handler(ORDER, None)
    assert len(desk.store.operations) == 2
    assert handler(dict(ORDER), None) == first == {"order": "o-1", "run": 1}
    assert len(desk.store.operations) == 3
    assert desk.told() == ["executed", "replayed"]


def test_the_local_cache_answers_without_the_store() -> None:
    """With the cache a replay costs no store call."""
    desk = Desk(cache=10)
    handler = desk.handler(key="order_id")
    first = handler(ORDER, None)
    assert handler(ORDER, None) == first
    assert len(desk.store.operations) == 2


def test_the_bare_form_takes_the_whole_event_as_key() -> None:
    """Under the bare form any change in the event is another call."""
    desk = Desk()
    handler = desk.idem.handler(desk.place)
    assert handler(ORDER, None) == handler(dict(reversed(ORDER.items())), None)
    handler({**ORDER, "quantity": 3}, None)
    assert len(desk.ran) == 2


def test_a_changed_payload_is_refused_and_named() -> None:
    """The same key with another payload is `KeyReused`, which names what changed and what is missing."""
    desk = Desk()
    handler = desk.handler(key="order_id")
    handler({**ORDER, "note": "x"}, None)
    with pytest.raises(KeyReused, match="/quantity") as refused:
        handler({**ORDER, "quantity": 3}, None)
    assert refused.value.changed == ("/quantity",)
    assert refused.value.missing == 1
    assert len(desk.ran) == 1
    assert desk.told()[-1] == "key_reused"


def test_payload_says_what_must_stay_the_same() -> None:
    """With `payload=`, other parts of the event may differ."""
    desk = Desk()
    handler = desk.handler(key="order_id", payload="quantity")
    assert handler(ORDER, None) == handler({**ORDER, "sent": "later"}, None)
    with pytest.raises(KeyReused):
        handler({**ORDER, "quantity": 3}, None)


def test_payload_without_key_still_keys_the_whole_event() -> None:
    """Without `key=` the event is the key, whatever the payload covers."""
    desk = Desk()
    handler = desk.handler(payload="quantity")
    handler(ORDER, None)
    handler({**ORDER, "order_id": "o-2"}, None)
    assert len(desk.ran) == 2


def test_scopes_never_share_an_answer() -> None:
    """Two scopes with one key are two calls; a missing scope is refused."""
    desk = Desk()
    handler = desk.handler(key="order_id", scope="tenant")
    handler({**ORDER, "tenant": "a"}, None)
    handler({**ORDER, "tenant": "b"}, None)
    assert len(desk.ran) == 2
    with pytest.raises(KeyMissing, match="scope"):
        handler(ORDER, None)


def test_a_duplicate_in_progress_is_refused_with_the_seconds_left() -> None:
    """While the first call runs, a second one is `InProgress` until Lambda's deadline plus the skew."""
    desk = Desk()
    seen: list[InProgress] = []

    @desk.idem.handler(key="order_id", namespace="busy")
    def handler(event: Event, context: object) -> str:
        desk.clock.advance(seconds=1)
        if not seen:
            with pytest.raises(InProgress) as refused:
                handler(event, context)
            seen.append(refused.value)
        return "done"

    assert handler(ORDER, LambdaContext(3, clock=desk.clock)) == "done"
    assert seen[0].retry_after == pytest.approx(4.0)
    assert desk.told() == ["in_progress", "executed"]


def test_a_missing_key_is_refused_unless_optional() -> None:
    """An event without the key runs nothing; with `key_optional` it runs unprotected, each time."""
    desk = Desk()
    with pytest.raises(KeyMissing):
        desk.handler(key="order_id")({"quantity": 1}, None)
    assert desk.ran == []
    optional = desk.handler(key="order_id", key_optional=True)
    optional({"quantity": 1}, None)
    optional({"quantity": 1}, None)
    assert len(desk.ran) == 2
    assert desk.told() == ["rejected", "unprotected", "unprotected"]
    with pytest.raises(KeyMissing, match="scope"):
        desk.handler(key="order_id", scope="tenant", key_optional=True)(ORDER, None)
    assert desk.store.operations == []


@pytest.mark.parametrize("source", ["apigw-v1", "apigw-v2", "alb", "function-url", "sqs", "kinesis", "dynamodb-stream"])
def test_an_envelope_that_changes_is_no_key(source: str) -> None:
    """A bare handler refuses HTTP and queue events at its first call and names the decorator to use."""
    desk = Desk()
    event = json.loads((EVENTS / f"{source}.json").read_text())
    with pytest.raises(ConfigError, match=r"@idem\.(http|batch)"):
        desk.idem.handler(desk.place)(event, None)
    assert desk.ran == []


def test_with_a_key_the_fingerprint_covers_the_business_part() -> None:
    """A retried API event differs in its request id and is the same call all the same."""
    desk = Desk()
    event = json.loads((EVENTS / "apigw-v2.json").read_text())
    handler = desk.handler(key='headers."idempotency-key"')
    handler(event, None)
    handler({**event, "requestContext": {**event["requestContext"], "requestId": "another"}}, None)
    assert len(desk.ran) == 1
    with pytest.raises(KeyReused):
        handler({**event, "body": "{}"}, None)


@pytest.mark.parametrize(
    ("event", "error"),
    [
        ({"order_id": "o-1", "value": float("nan")}, KeyInvalid),
        ({"order_id": "o-1", "value": object()}, KeyInvalid),
        ("not an object", KeyMissing),
        (None, KeyMissing),
    ],
)
def test_bad_events_are_refused_before_anything_runs(event: Any, error: type[Exception]) -> None:
    """An event that is not JSON-like runs nothing and touches no record."""
    desk = Desk()
    with pytest.raises(error):
        desk.handler(key="order_id")(event, None)
    assert desk.ran == []
    assert desk.store.operations == []


def test_five_thousand_levels_are_refused() -> None:
    """Deep nesting is `KeyInvalid`, not a recursion error."""
    desk = Desk()
    event: Event = {"order_id": "o-1"}
    for _ in range(5_000):
        event = {"order_id": "o-1", "deeper": event}
    with pytest.raises(KeyInvalid):
        desk.handler(key="order_id")(event, None)
    assert desk.ran == []


def test_a_six_megabyte_event_is_one_call_like_any_other() -> None:
    """Lambda's largest event is hashed, and its retry replayed."""
    desk = Desk()
    event = {"order_id": "o-1", "blob": "x" * 6_000_000}
    handler = desk.handler(key="order_id")
    assert handler(event, None) == handler(dict(event), None)
    assert len(desk.ran) == 1


def test_arguments_may_come_by_name_and_must_come() -> None:
    """A handler may be called with names; a missing argument is a TypeError as ever."""
    desk = Desk()
    handler = desk.handler(key="order_id")
    assert handler(event=ORDER, context=None) == {"order": "o-1", "run": 1}  # type: ignore[call-arg] # Callable has no names
    with pytest.raises(TypeError, match="'context'"):
        handler(ORDER)  # type: ignore[call-arg] # on purpose


def test_a_context_may_have_a_default() -> None:
    """A handler whose context has a default may be called with the event alone, as before it was decorated."""
    desk = Desk()

    @desk.idem.handler(key="order_id")
    def handler(event: Event, context: object = None) -> str:
        return "done"

    assert handler(ORDER) == "done"


def test_tenants_never_share_an_answer() -> None:
    """In Lambda's tenant isolation mode each tenant has keys of its own, with and without a scope."""
    desk = Desk()
    for options in ({"key": "order_id"}, {"key": "order_id", "scope": "quantity"}, {}):
        handler = desk.handler(namespace=str(options), **options)
        for tenant in ("t1", "t2", None, "t1"):
            handler(ORDER, LambdaContext(3, clock=desk.clock, tenant_id=tenant))
    assert len(desk.ran) == 9


def test_a_callable_key_with_a_missing_part_is_refused() -> None:
    """None among the parts of a callable's key is a missing part, as in a JMESPath list."""
    desk = Desk()
    handler = desk.handler(key=lambda event: (event.get("order_id"), event.get("line")), namespace="parts")
    with pytest.raises(KeyMissing, match="part 2"):
        handler(ORDER, None)
    assert desk.ran == []


def test_a_methods_self_is_no_part_of_its_call() -> None:
    """A handler that is a method keys on its event, not on its object."""
    desk = Desk()

    class Shop:
        @desk.idem.handler(key="order_id")
        def handle(self, event: Event, context: object) -> int:
            desk.ran.append(event)
            return len(desk.ran)

    assert Shop().handle(ORDER, None) == Shop().handle(ORDER, None) == 1


def test_an_error_gives_the_claim_back_and_a_retry_runs() -> None:
    """The user's error is raised as it is, and the key is free again."""
    desk = Desk()
    errors = [ZeroDivisionError("first"), None]

    @desk.idem.handler(key="order_id", namespace="failing")
    def handler(event: Event, context: object) -> str:
        error = errors.pop(0)
        if error:
            raise error
        return "done"

    with pytest.raises(ZeroDivisionError, match="first"):
        handler(ORDER, None)
    assert handler(ORDER, None) == "done"
    assert desk.told() == ["failed", "executed"]


def test_a_remembered_error_is_the_answer() -> None:
    """`remember=` stores an error, and a retry raises it without a run."""
    desk = Desk(remember=(LookupError,))

    @desk.idem.handler(key="order_id", namespace="remembering")
    def handler(event: Event, context: object) -> str:
        desk.ran.append(event)
        raise KeyError("sold out", 7)

    for _ in range(2):
        with pytest.raises(LookupError) as raised:
            handler(ORDER, None)
        assert raised.value.args == ("sold out", 7)
    assert len(desk.ran) == 1


def test_a_result_that_cannot_be_stored_never_runs_again() -> None:
    """The caller gets its value, the log says why, and a retry is refused with `ResultNotKept`."""
    from idemlambda import ResultNotKept

    desk = Desk()
    value = object()

    @desk.idem.handler(key="order_id", namespace="unstorable")
    def handler(event: Event, context: object) -> object:
        desk.ran.append(event)
        return value

    assert handler(ORDER, None) is value
    with pytest.raises(ResultNotKept):
        handler(ORDER, None)
    assert len(desk.ran) == 1
    assert desk.told() == ["executed", "rejected"]


def test_a_result_over_the_limit_is_not_kept() -> None:
    """`max_result_bytes` bounds what is stored; the retry is told the size and the limit."""
    from idemlambda import ResultNotKept

    desk = Desk(max_result_bytes=10)
    handler = desk.handler(key="order_id")
    handler(ORDER, None)
    with pytest.raises(ResultNotKept, match="the limit is 10"):
        handler(ORDER, None)


def test_an_observer_that_fails_harms_nobody(caplog: pytest.LogCaptureFixture) -> None:
    """What an observer raises is logged, and the call goes on."""

    def observer(outcome: Outcome) -> None:
        raise RuntimeError("observer down")

    idem = Idempotency(MemoryStore(), observers=(observer,))
    handler = idem.handler(namespace="observed")(lambda event, context: "done")
    assert handler(ORDER, None) == "done"
    assert "observer down" in caplog.text


@pytest.mark.parametrize("value", [0, False, "", [], {}, None])
def test_falsy_results_replay_as_themselves(value: object) -> None:
    """A result that is false is a result (rule 17)."""
    desk = Desk()

    @desk.idem.handler(key="order_id", namespace="falsy")
    def handler(event: Event, context: object) -> object:
        desk.ran.append(event)
        return value

    assert handler(ORDER, None) == handler(ORDER, None) == value
    assert len(desk.ran) == 1
