"""Laws of the contract inside Lambda Powertools' event handlers."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import sys
from collections.abc import Callable
from typing import Any

import pytest
from aws_lambda_powertools.event_handler import (
    ALBResolver,
    APIGatewayHttpResolver,
    APIGatewayRestResolver,
    CORSConfig,
    LambdaFunctionUrlResolver,
    Response,
)
from aws_lambda_powertools.event_handler.exceptions import BadRequestError
from aws_lambda_powertools.shared.cookies import Cookie
from pydantic import BaseModel

from idemlambda.app import Idempotency
from idemlambda.errors import ConfigError
from idemlambda.http import dont_store
from idemlambda.memory import MemoryStore
from idemlambda.powertools import IdempotencyMiddleware
from idemlambda.testing import FakeClock, LambdaContext

Event = dict[str, Any]
EventOf = Callable[..., Event]

RESOLVERS = [
    ("apigw-v1", APIGatewayRestResolver),
    ("apigw-v2", APIGatewayHttpResolver),
    ("alb", ALBResolver),
    ("alb-multi-value", ALBResolver),
    ("function-url", LambdaFunctionUrlResolver),
]


class Counted:
    """A configuration, an application and the runs of its route."""

    def __init__(self, app: Any, route: Callable[[], Any] | None = None, **options: Any) -> None:
        self.app = app
        self.memory = MemoryStore()
        self.idem = Idempotency(self.memory, clock=FakeClock())
        self.runs: list[int] = []
        self.middleware = IdempotencyMiddleware(self.idem, **options)

        @app.post("/orders", middlewares=[self.middleware])  # type: ignore[untyped-decorator]  # Any resolver
        def place() -> Any:
            self.runs.append(len(self.runs))
            return route() if route else ({"run": len(self.runs)}, 201)

    def __call__(self, event: Event) -> Any:
        """Resolve an event."""
        return self.app.resolve(event, LambdaContext())


def headers_in(answer: Any) -> dict[str, Any]:
    """An answer's headers, in whichever form."""
    many = answer.get("multiValueHeaders", {})
    return {**answer.get("headers", {}), **{name: values[-1] for name, values in many.items()}}


@pytest.mark.parametrize(("source", "resolver"), RESOLVERS)
def test_a_decorated_handler_may_resolve(source: str, resolver: Any, desk: Any, event_of: EventOf) -> None:
    """`@idem.http` above the handler that calls `app.resolve` stores and replays what the resolver made."""
    app = resolver()
    runs: list[int] = []

    @app.post("/orders")  # type: ignore[untyped-decorator]  # Any resolver
    def place() -> Any:
        runs.append(len(runs))
        return {"run": len(runs)}, 201

    @desk.idem.http(namespace="resolving")  # type: ignore[untyped-decorator]  # the desk is untyped
    def handler(event: Event, context: Any) -> Any:
        return app.resolve(event, context)

    first, second = handler(event_of(source), LambdaContext()), handler(event_of(source), LambdaContext())
    assert runs == [0]
    assert (second["statusCode"], second["body"]) == (first["statusCode"], first["body"]) == (201, '{"run":1}')
    assert headers_in(second)["Idempotency-Replayed"] == "true"
    assert headers_in(second)["Content-Type"] == "application/json"


@pytest.mark.parametrize(("source", "resolver"), RESOLVERS)
def test_a_route_has_the_contract(source: str, resolver: Any, event_of: EventOf) -> None:
    """A middleware gives one route first answer, replay and conflict, in every resolver's form."""
    counted = Counted(resolver())
    first, second = counted(event_of(source)), counted(event_of(source))
    assert counted.runs == [0]
    assert (second["statusCode"], second["body"]) == (first["statusCode"], first["body"]) == (201, '{"run":1}')
    assert "Idempotency-Replayed" not in headers_in(first)
    assert headers_in(second)["Idempotency-Replayed"] == "true"
    assert headers_in(first)["Idempotency-Key"].startswith('"5f0d')
    conflict = counted(event_of(source, body="{}"))
    assert conflict["statusCode"] == 409
    assert headers_in(conflict)["Content-Type"] == "application/problem+json"
    assert json.loads(conflict["body"])["code"] == "key_reused"


def test_only_routes_with_the_middleware_are_covered(event_of: EventOf) -> None:
    """Another route of the same application runs each time, and needs no key."""
    counted = Counted(APIGatewayRestResolver())
    runs: list[int] = []

    @counted.app.post("/refunds")  # type: ignore[untyped-decorator]  # Any resolver
    def refund() -> Any:
        runs.append(len(runs))
        return {}

    event = event_of("apigw-v1", path="/refunds", resource="/refunds", headers={"Idempotency-Key": None})
    assert [counted(event)["statusCode"] for _ in range(2)] == [200, 200]
    assert runs == [0, 1]


def test_other_methods_pass_through(event_of: EventOf) -> None:
    """A GET route under the middleware is the route itself."""
    counted = Counted(APIGatewayHttpResolver())

    @counted.app.get("/orders", middlewares=[counted.middleware])  # type: ignore[untyped-decorator]  # Any resolver
    def show() -> Any:
        return {"orders": []}

    event = event_of("apigw-v2", headers={"idempotency-key": None})
    event["requestContext"]["http"]["method"] = "GET"
    assert counted(event)["statusCode"] == 200


def test_a_binary_response_replays_with_its_headers(event_of: EventOf) -> None:
    """Bytes, lists of header values and a header that is left out come back as the route gave them."""

    def route() -> Any:
        return Response(200, "image/png", bytes(range(256)), headers={"X-A": ["1", "2"], "Date": "now"})

    counted = Counted(APIGatewayRestResolver(), route)
    first, second = counted(event_of("apigw-v1")), counted(event_of("apigw-v1"))
    assert base64.b64decode(second["body"]) == bytes(range(256))
    assert second["isBase64Encoded"] is True
    assert second["multiValueHeaders"]["X-A"] == ["1", "2"]
    assert "Date" in first["multiValueHeaders"]
    assert "Date" not in second["multiValueHeaders"]


@pytest.mark.parametrize("source", ["apigw-v1", "apigw-v2"])
def test_cookies_are_the_first_callers(source: str, event_of: EventOf) -> None:
    """A route's cookies are given once, and again only with `replay_cookies`."""

    def route() -> Any:
        return Response(200, "text/plain", "ok", cookies=[Cookie("session", "1"), Cookie("theme", "dark")])

    resolver: Any = dict(RESOLVERS)[source]

    def cookies_of(answer: Any) -> Any:
        return answer.get("cookies") or answer.get("multiValueHeaders", {}).get("Set-Cookie", [])

    counted = Counted(resolver(), route)
    assert cookies_of(counted(event_of(source))) == ["session=1; Secure", "theme=dark; Secure"]
    assert cookies_of(counted(event_of(source))) == []
    asked = Counted(resolver(), route, replay_cookies=True)
    asked(event_of(source))
    assert cookies_of(asked(event_of(source))) == ["session=1; Secure", "theme=dark; Secure"]


def test_cors_and_compression_are_the_resolvers(event_of: EventOf) -> None:
    """What the resolver adds, it adds to a replay as well, for the request at hand."""
    app = APIGatewayRestResolver(cors=CORSConfig(allow_origin="https://shop.example.com"))
    counted = Counted(app, lambda: Response(200, "text/plain", "hello", compress=True))
    headers = {"Origin": "https://shop.example.com"}
    counted(event_of("apigw-v1", headers=headers))
    replay = counted(event_of("apigw-v1", headers=headers))
    assert gzip.decompress(base64.b64decode(replay["body"])) == b"hello"
    assert replay["multiValueHeaders"]["Access-Control-Allow-Origin"] == ["https://shop.example.com"]
    plain = counted(event_of("apigw-v1", headers={**headers, "Accept-Encoding": "identity"}))
    assert plain["body"] == "hello"


class Order(BaseModel):
    """What a validated route returns."""

    order: int
    paid: bool = False


def test_a_validated_route_replays(event_of: EventOf) -> None:
    """With the resolver's validation, models in and out work the same on first answer and replay."""
    app = APIGatewayRestResolver(enable_validation=True)
    memory = MemoryStore()
    runs: list[int] = []

    @app.post("/orders", middlewares=[IdempotencyMiddleware(Idempotency(memory, clock=FakeClock()))])
    def place() -> Order:
        runs.append(len(runs))
        return Order(order=7)

    first = app.resolve(event_of("apigw-v1"), LambdaContext())  # type: ignore[arg-type]  # a context like Lambda's
    second = app.resolve(event_of("apigw-v1"), LambdaContext())  # type: ignore[arg-type]  # a context like Lambda's
    assert first["statusCode"] == 200
    assert json.loads(first["body"]) == {"order": 7, "paid": False}
    assert second["body"] == first["body"]
    assert runs == [0]


@pytest.mark.parametrize(("remember", "runs"), [((), [0, 1]), ((BadRequestError,), [0])])
def test_a_raised_error_is_answered_by_the_application(remember: Any, runs: list[int], event_of: EventOf) -> None:
    """An error gives the key back, unless it is named as an answer; the resolver's handlers see it either way."""

    def route() -> Any:
        raise BadRequestError("no such item")

    counted = Counted(APIGatewayRestResolver(), route, remember=remember)
    answers = [counted(event_of("apigw-v1")) for _ in range(2)]
    assert [answer["statusCode"] for answer in answers] == [400, 400]
    assert answers[0]["body"] == answers[1]["body"]
    assert counted.runs == runs


@pytest.mark.parametrize("status", [401, 429, 503])
def test_a_response_that_asks_for_another_try_is_not_stored(status: int, event_of: EventOf) -> None:
    """The same statuses as of `@idem.http` give the key back."""
    counted = Counted(APIGatewayRestResolver(), lambda: ({"message": "later"}, status))
    assert [counted(event_of("apigw-v1"))["statusCode"] for _ in range(2)] == [status, status]
    assert counted.runs == [0, 1]


def test_dont_store_works_in_a_route(event_of: EventOf) -> None:
    """A route's own word on one answer counts here, too."""
    counted = Counted(APIGatewayRestResolver(), lambda: dont_store({"found": False}))
    counted(event_of("apigw-v1"))
    counted(event_of("apigw-v1"))
    assert counted.runs == [0, 1]


def test_a_response_encoded_by_the_route_stays_encoded(event_of: EventOf) -> None:
    """A route that sets the flag itself gets it back."""

    def route() -> Any:
        response = Response(200, "image/png", "AAEC")
        response.base64_encoded = True
        return response

    counted = Counted(APIGatewayRestResolver(), route)
    answers = [counted(event_of("apigw-v1")) for _ in range(2)]
    assert [(answer["body"], answer["isBase64Encoded"]) for answer in answers] == [("AAEC", True)] * 2


def test_async_routes_have_the_contract(event_of: EventOf) -> None:
    """Under `resolve_async` the middleware runs in Powertools' thread, with the same answers."""
    app = APIGatewayHttpResolver()
    runs: list[int] = []

    @app.post("/orders", middlewares=[IdempotencyMiddleware(Idempotency(MemoryStore(), clock=FakeClock()))])
    async def place() -> Any:
        runs.append(len(runs))
        return {"run": len(runs)}

    def call(event: Event) -> Any:
        return asyncio.run(app.resolve_async(event, LambdaContext()))  # type: ignore[arg-type]  # as Lambda's

    first, second, conflict = (call(event_of("apigw-v2", **changes)) for changes in ({}, {}, {"body": "{}"}))
    assert first["body"] == second["body"] == '{"run":1}'
    assert second["headers"]["Idempotency-Replayed"] == "true"
    assert conflict["statusCode"] == 409
    assert runs == [0]


def test_a_middleware_below_must_hand_on_a_response(event_of: EventOf) -> None:
    """A middleware that returns something else is told of, by its type."""
    app = APIGatewayRestResolver()
    broken: Any = lambda app, next_middleware: "text"  # noqa: E731 - a middleware of one line

    @app.post("/orders", middlewares=[IdempotencyMiddleware(Idempotency(MemoryStore())), broken])
    def place() -> Any:
        return {}

    with pytest.raises(TypeError, match="returned a str, not a Response"):
        app.resolve(event_of("apigw-v1"), LambdaContext())  # type: ignore[arg-type]  # a context like Lambda's


def test_disabled_means_the_route_itself(event_of: EventOf, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under `IDEMLAMBDA_DISABLED` a route runs each time, without a key."""
    counted = Counted(APIGatewayRestResolver())
    monkeypatch.setenv("IDEMLAMBDA_DISABLED", "1")
    event = event_of("apigw-v1", headers={"Idempotency-Key": None})
    assert [counted(event)["statusCode"] for _ in range(2)] == [201, 201]
    assert counted.memory._records == {}


def test_an_async_store_is_refused() -> None:
    """A middleware is called in a thread, and cannot wait for an async store."""

    class AsyncStoreOnly:
        async def asend(self, op: object) -> None: ...

    store: Any = AsyncStoreOnly()
    with pytest.raises(ConfigError, match="IdempotencyMiddleware is no coroutine function"):
        IdempotencyMiddleware(Idempotency(store))


def test_the_namespace_is_the_functions(event_of: EventOf, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two functions on one table never meet; a namespace can be named."""
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "shop")
    default, named = Counted(APIGatewayRestResolver()), Counted(APIGatewayRestResolver(), namespace="orders")
    for counted, namespace in ((default, "shop.powertools"), (named, "orders")):
        counted(event_of("apigw-v1"))
        (record,) = counted.memory._records.values()
        assert record.id.startswith(f"{namespace}#")


def test_without_powertools_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing package is told of with what to install."""
    monkeypatch.delitem(sys.modules, "idemlambda.powertools")
    monkeypatch.setitem(sys.modules, "aws_lambda_powertools.event_handler", None)
    with pytest.raises(ConfigError, match=r"idemlambda\[powertools\]"):
        import idemlambda.powertools  # noqa: F401 - its import is what is shown
