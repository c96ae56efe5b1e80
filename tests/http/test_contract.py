"""Laws of `@idem.http`: what a client sees of first requests, retries and conflicts."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
from collections.abc import Callable
from typing import Any

import pytest

from idemlambda.app import Idempotency
from idemlambda.errors import ConfigError, InProgress
from idemlambda.http import dont_store
from idemlambda.invocation import current_invocation
from idemlambda.memory import MemoryStore
from idemlambda.ports import Found, StoreOp
from idemlambda.testing import FakeClock, LambdaContext

Event = dict[str, Any]
EventOf = Callable[..., Event]
ProblemOf = Callable[[Any], Any]
SOURCES = ["apigw-v1", "apigw-v2", "alb", "alb-multi-value", "function-url"]
BODY = {"order_id": "ord-7Q2M4X", "quantity": 2}


class AsyncMemory:
    """A memory store whose round trips are awaited."""

    def __init__(self) -> None:
        self.inner = MemoryStore()

    async def asend(self, op: StoreOp) -> Found:
        """Carry out one operation."""
        return self.inner.send(op)


def headers_in(answer: Any) -> dict[str, str]:
    """An answer's headers, in whichever form."""
    many = answer.get("multiValueHeaders", {})
    return {**answer.get("headers", {}), **{name: values[-1] for name, values in many.items()}}


@pytest.mark.parametrize("source", SOURCES)
def test_a_changed_body_is_a_conflict_that_names_the_fields(
    source: str, desk: Any, event_of: EventOf, problem_of: ProblemOf
) -> None:
    """The same key with another body is 409, names what changed as JSON pointers, and runs nothing."""
    handler = desk.handler()
    handler(event_of(source, body=json.dumps(BODY)), None)
    members = problem_of(handler(event_of(source, body=json.dumps({"quantity": 3, "note": "x"})), None))
    assert members["status"] == 409
    assert (members["code"], members["changed"], members["missing"]) == (
        "key_reused",
        ["/body/note", "/body/quantity"],
        1,
    )
    assert len(desk.ran) == 1


def test_a_changed_query_is_a_conflict_and_a_changed_header_is_none(
    desk: Any, event_of: EventOf, problem_of: ProblemOf
) -> None:
    """Query and body are what a key stands for; headers change from one try to the next."""
    handler = desk.handler()
    first = handler(event_of("apigw-v2"), None)
    again = handler(event_of("apigw-v2", headers={"user-agent": "other", "x-amzn-trace-id": "other"}), None)
    assert again["body"] == first["body"]
    members = problem_of(handler(event_of("apigw-v2", rawQueryString="channel=app&tag=gift&tag=rush"), None))
    assert members["changed"] == ["/query/channel/0"]


@pytest.mark.parametrize(
    ("conventions", "status", "marker"),
    [
        ("conflict", 409, "Idempotency-Replayed"),
        ("ietf", 422, "Idempotency-Replayed"),
        ("stripe", 400, "Idempotent-Replayed"),
    ],
)
def test_conventions_decide_the_status_and_the_marker(
    conventions: str, status: int, marker: str, desk: Any, event_of: EventOf
) -> None:
    """A reused key is 409, 422 or 400, and a replay is marked in the convention's own header."""
    handler = desk.handler(conventions=conventions)
    handler(event_of("alb"), None)
    assert handler(event_of("alb"), None)["headers"][marker] == "true"
    assert handler(event_of("alb", body="{}"), None)["statusCode"] == status


def test_a_status_can_be_chosen(desk: Any, event_of: EventOf, problem_of: ProblemOf) -> None:
    """`statuses` changes one problem's status and leaves the others."""
    handler = desk.handler(statuses={"key_reused": 410}, problem_base="https://example.com/p/")
    handler(event_of("alb"), None)
    members = problem_of(handler(event_of("alb", body="{}"), None))
    assert (members["status"], members["type"]) == (410, "https://example.com/p/key-reused")
    assert handler(event_of("alb", headers={"idempotency-key": ""}), None)["statusCode"] == 400


@pytest.mark.parametrize("source", SOURCES)
def test_the_key_is_echoed_on_every_answer(source: str, desk: Any, event_of: EventOf) -> None:
    """First answer, replay and conflict repeat the key as it was sent; a value that is no key is not repeated."""
    handler = desk.handler()
    sent = '"5f0d3c62-8a1e-4b7c-9d54-2e6b1f7a0c38"'
    for event in (event_of(source), event_of(source), event_of(source, body="{}")):
        assert headers_in(handler(event, None))["Idempotency-Key"] == sent
    invalid = handler(event_of(source, headers={"idempotency-key": 'x"\r\ny'}), None)
    assert invalid["statusCode"] == 400
    assert "Idempotency-Key" not in headers_in(invalid)


def test_the_quoted_and_the_bare_form_are_one_key(desk: Any, event_of: EventOf) -> None:
    """A client that changes its way of quoting gets its answer."""
    handler = desk.handler()
    handler(event_of("alb", headers={"idempotency-key": '"k"'}), None)
    assert handler(event_of("alb", headers={"IDEMPOTENCY-KEY": "k"}), None)["headers"]["Idempotency-Replayed"] == "true"


@pytest.mark.parametrize(
    "changes", [{"path": "/refunds"}, {"httpMethod": "PATCH"}, {"headers": {"idempotency-key": "other"}}]
)
def test_method_path_and_key_make_another_request(changes: Event, desk: Any, event_of: EventOf) -> None:
    """The same key on another path or method is another key."""
    handler = desk.handler()
    handler(event_of("alb"), None)
    assert "Idempotency-Replayed" not in handler(event_of("alb", **changes), None)["headers"]
    assert len(desk.ran) == 2


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "DELETE"])
def test_other_methods_pass_through_untouched(method: str, desk: Any, event_of: EventOf) -> None:
    """A method that the contract does not cover gets the handler's own object, and costs no store call."""
    result = {"statusCode": 200}
    handler = desk.handler(result)
    assert handler(event_of("alb", httpMethod=method), None) is result
    assert handler(event_of("alb", httpMethod=method), None) is result
    assert len(desk.ran) == 2
    assert desk.store.operations == []


def test_the_methods_can_be_chosen(desk: Any, event_of: EventOf) -> None:
    """`methods` replaces POST and PATCH."""
    handler = desk.handler(methods=("PUT",))
    handler(event_of("alb", httpMethod="PUT"), None)
    assert "Idempotency-Replayed" in handler(event_of("alb", httpMethod="PUT"), None)["headers"]
    assert handler(event_of("alb"), None)["body"] == "order 2"


def test_a_missing_key_is_refused(desk: Any, event_of: EventOf, problem_of: ProblemOf) -> None:
    """Without the header nothing runs, and the problem says what to send."""
    members = problem_of(desk.handler()(event_of("alb", headers={"idempotency-key": None}), None))
    assert (members["status"], members["code"]) == (400, "key_missing")
    assert "no Idempotency-Key header" in members["detail"]
    assert desk.ran == []
    assert desk.told() == ["rejected"]


def test_a_key_can_be_optional(desk: Any, event_of: EventOf, problem_of: ProblemOf) -> None:
    """Under `required=False` a request without the header runs unprotected; an invalid one is still refused."""
    result = {"statusCode": 503}
    handler = desk.handler(result, required=False)
    event = event_of("alb", headers={"idempotency-key": None})
    assert handler(event, None) is result
    assert handler(event, None) is result
    assert desk.told() == ["unprotected", "unprotected"]
    assert problem_of(handler(event_of("alb", headers={"idempotency-key": "a b"}), None))["code"] == "key_invalid"


def test_the_error_of_an_unprotected_run_is_the_handlers_own(desk: Any, event_of: EventOf) -> None:
    """Even an outcome of the kit, from a function that the handler called, is no problem of this request."""
    handler = desk.handler(InProgress("inner", retry_after=1), required=False)
    with pytest.raises(InProgress, match="inner"):
        handler(event_of("alb", headers={"idempotency-key": None}), None)


def test_an_unknown_caller_is_refused_even_if_the_key_is_optional(
    desk: Any, event_of: EventOf, problem_of: ProblemOf
) -> None:
    """`strict_scope=True` with a key and no identity is 403, whatever `required` says."""
    handler = desk.handler(strict_scope=True, required=False)
    members = problem_of(handler(event_of("alb"), None))
    assert (members["status"], members["code"]) == (403, "scope_missing")
    assert desk.ran == []


@pytest.mark.parametrize("error", [ValueError("theirs"), InProgress("inner", retry_after=1), ConfigError("inner")])
def test_a_handlers_own_error_goes_up_and_gives_the_key_back(error: Exception, desk: Any, event_of: EventOf) -> None:
    """What the handler raises is not turned into a problem, and a retry runs."""
    handler = desk.handler(error)
    for _ in range(2):
        with pytest.raises(type(error), match=str(error)):
            handler(event_of("alb"), None)
    assert len(desk.ran) == 2
    assert desk.memory._records == {}


def test_a_remembered_error_is_raised_again(desk: Any, event_of: EventOf) -> None:
    """An error named in `remember` is the answer of every retry."""
    handler = desk.handler(LookupError("gone"), remember=(LookupError,))
    for _ in range(2):
        with pytest.raises(LookupError, match="gone"):
            handler(event_of("alb"), None)
    assert len(desk.ran) == 1


def test_two_tenants_with_one_key_see_their_own_answers_only(desk: Any, event_of: EventOf) -> None:
    """The caller's identity is part of the key: the same key and body of another tenant is another order."""
    tenants = [
        event_of("apigw-v2", context={"authorizer": {"jwt": {"claims": {"iss": "i", "sub": sub}}}}) for sub in "ab"
    ]
    handler = desk.handler()
    bodies = [[handler(event, None)["body"] for event in tenants] for _ in range(2)]
    assert bodies == [["order 1", "order 2"]] * 2


def test_a_stranger_cannot_read_a_tenants_answer(desk: Any, event_of: EventOf) -> None:
    """A caller without credentials who knows key and body gets a run of its own, or nothing under `strict_scope`."""
    handler = desk.handler(namespace="open")
    stranger = event_of("apigw-v2", context={"authorizer": None})
    assert handler(event_of("apigw-v2"), None)["body"] == "order 1"
    assert handler(stranger, None)["body"] == "order 2"
    strict = desk.handler(namespace="closed", strict_scope=True)
    assert strict(event_of("apigw-v2"), None)["body"] == "order 3"
    assert strict(stranger, None)["statusCode"] == 403


def test_lambdas_tenant_is_part_of_the_key(desk: Any, event_of: EventOf) -> None:
    """In tenant isolation mode, the context's tenant keeps the answers apart."""
    handler = desk.handler()
    bodies = [handler(event_of("alb"), LambdaContext(tenant_id=tenant))["body"] for tenant in ("a", "b", "a")]
    assert bodies == ["order 1", "order 2", "order 1"]


def test_an_authorizer_of_ones_own_needs_a_scope(
    desk: Any, event_of: EventOf, problem_of: ProblemOf, caplog: pytest.LogCaptureFixture
) -> None:
    """A caller named in an unknown form is 500 with the reason in the log only; `scope=` names it."""
    event = event_of("apigw-v2", context={"authorizer": {"lambda": {"user": "u"}}})
    with caplog.at_level(logging.ERROR, "idemlambda"):
        members = problem_of(desk.handler(namespace="a")(event, None))
    assert (members["status"], members["code"]) == (500, "misconfigured")
    assert "scope=" in caplog.text
    assert "scope" not in members["detail"]
    named = desk.handler(namespace="b", scope="requestContext.authorizer.lambda.user")
    assert named(event, None)["statusCode"] == 201


def test_a_binary_body_is_part_of_what_a_key_stands_for(desk: Any, event_of: EventOf, problem_of: ProblemOf) -> None:
    """Two uploads under one key are told apart by their bytes."""

    def upload(data: bytes) -> Event:
        headers = {"content-type": "image/png"}
        return event_of("alb", headers=headers, body=base64.b64encode(data).decode(), isBase64Encoded=True)

    handler = desk.handler()
    handler(upload(b"\x89PNG1"), None)
    assert handler(upload(b"\x89PNG1"), None)["headers"]["Idempotency-Replayed"] == "true"
    assert problem_of(handler(upload(b"\x89PNG2"), None))["changed"] == ["/body"]


def test_a_body_without_a_canonical_form_is_refused(desk: Any, event_of: EventOf, problem_of: ProblemOf) -> None:
    """A body nested deeper than 128 levels cannot be compared, and is told so."""
    members = problem_of(desk.handler()(event_of("alb", body="[" * 200 + "]" * 200), None))
    assert (members["status"], members["code"]) == (400, "key_invalid")
    assert desk.ran == []


def test_another_header_can_carry_the_key(desk: Any, event_of: EventOf) -> None:
    """`header=` names the field that is read and echoed."""
    handler = desk.handler(header="X-Request-Key")
    event = event_of("alb", headers={"x-request-key": "k"})
    handler(event, None)
    answer = handler(event, None)
    assert answer["headers"]["X-Request-Key"] == "k"
    assert answer["headers"]["Idempotency-Replayed"] == "true"


def test_an_event_of_another_kind_is_told_at_once(desk: Any) -> None:
    """A queue's event has no HTTP answer: it is an error of the set-up."""
    with pytest.raises(ConfigError, match=r"Desk\.handler.*place serves HTTP requests"):
        desk.handler()({"Records": []}, None)


def test_a_coroutine_handler_stays_one(event_of: EventOf, problem_of: ProblemOf) -> None:
    """Async handlers, on an async store, have the whole contract: first, replay, conflict, unkept and pass-through."""
    ran: list[object] = []
    result: Event = {"statusCode": 201, "body": "async"}

    @Idempotency(AsyncMemory(), clock=FakeClock()).http
    async def handler(event: Event, context: object) -> Event:
        await asyncio.sleep(0)
        ran.append(event)
        if event.get("late"):
            dont_store(result)
        return result

    def call(event: Event) -> Any:
        return asyncio.run(handler(event, None))

    assert call(event_of("alb") | {"late": True})["body"] == "async"
    assert "Idempotency-Replayed" not in call(event_of("alb"))["headers"]
    assert call(event_of("alb"))["headers"]["Idempotency-Replayed"] == "true"
    assert problem_of(call(event_of("alb", body="{}")))["code"] == "key_reused"
    assert call(event_of("alb", httpMethod="GET")) is result
    assert len(ran) == 3


def test_a_method_can_be_a_handler(desk: Any, event_of: EventOf) -> None:
    """`self` is no part of a request."""

    class Shop:
        @desk.idem.http  # type: ignore[untyped-decorator]  # the desk is untyped
        def handler(self, event: Event, context: object) -> object:
            return {"statusCode": 201, "body": repr(id(self))}

    shops = Shop(), Shop()
    assert (
        shops[0].handler(event_of("alb"), None)["body"] == shops[1].handler(event=event_of("alb"), context=None)["body"]
    )


def test_disabled_means_the_handler_itself(desk: Any, event_of: EventOf, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under `IDEMLAMBDA_DISABLED` whatever comes goes to the handler, and its result comes back as it is."""
    monkeypatch.setenv("IDEMLAMBDA_DISABLED", "1")
    result = {"statusCode": 503}
    assert desk.handler(result)({}, None) is result

    @desk.idem.http(namespace="async")  # type: ignore[untyped-decorator]  # the desk is untyped
    async def handler(event: Event, context: object) -> object:
        return result

    assert asyncio.run(handler(event_of("alb"), None)) is result
    assert desk.store.operations == []


def test_dont_store_outside_of_a_request_does_nothing() -> None:
    """A handler's own code can be tested bare."""
    assert dont_store(7) == 7


def test_the_deadline_is_known_under_a_method_that_passes_through(desk: Any, event_of: EventOf) -> None:
    """Idempotent functions below a GET see the invocation they run in."""
    seen: list[object] = []

    @desk.idem.http(namespace="get")  # type: ignore[untyped-decorator]  # the desk is untyped
    def handler(event: Event, context: object) -> object:
        seen.append(current_invocation().context)
        return {}

    context = LambdaContext()
    handler(event_of("alb", httpMethod="GET"), context)
    assert seen == [context]
