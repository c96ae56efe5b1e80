"""Glue to Powertools for AWS Lambda: the `Idempotency-Key` contract for single routes of its event handlers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Final, Unpack, cast

from idemlambda._environment import is_disabled
from idemlambda.app import Idempotency
from idemlambda.errors import ConfigError
from idemlambda.http import HttpOptions
from idemlambda.http._contract import Exchange, front_of
from idemlambda.http._options import config_of
from idemlambda.http._request import Request, request_of
from idemlambda.http._response import Answer, plain, status_of
from idemlambda.invocation import function_name
from idemlambda.keys import plain as plain_data

try:
    from aws_lambda_powertools.event_handler import ApiGatewayResolver, Response
    from aws_lambda_powertools.event_handler.middlewares import BaseMiddlewareHandler, NextMiddleware
except ImportError:
    raise ConfigError("Lambda Powertools is not installed: install idemlambda[powertools].") from None

if TYPE_CHECKING:
    from aws_lambda_powertools.shared.cookies import Cookie

__all__ = ["IdempotencyMiddleware"]

NAME: Final = "IdempotencyMiddleware"


class IdempotencyMiddleware(BaseMiddlewareHandler[ApiGatewayResolver]):
    """Gives routes the contract of `@idem.http`: `@app.post("/orders", middlewares=[IdempotencyMiddleware(idem)])`.

    For the resolvers of REST APIs, HTTP APIs, load balancers and function URLs. All routes under one middleware share
    a namespace, `{function name}.powertools`: method and path are part of a key.

    What is stored is the route's `Response`, before the resolver adds CORS headers, compresses and encodes. An error
    that a route raises gives the claim back, and the resolver's exception handlers answer it; name its type in
    `remember=` to have a retry get the same error.

    Args:
        idem: The configuration; its store is not async.
        **options: As of `@idem.http`.

    Raises:
        ConfigError: An option makes no sense.
    """

    def __init__(self, idem: Idempotency, **options: Unpack[HttpOptions]) -> None:
        super().__init__()
        config = config_of(idem, options)
        namespace = options.get("namespace") or f"{config.namespace or function_name()}.powertools"
        self._front = front_of(config, options, namespace, answer_of=answer_of, name=NAME, is_async=False)

    def handler(self, app: ApiGatewayResolver, next_middleware: NextMiddleware) -> Response[object]:
        """Answer a request: by the route, from the record, or with a problem."""
        route = cast("Callable[[ApiGatewayResolver], Response[object]]", next_middleware)
        if is_disabled():
            return route(app)
        # The resolver puts headers into the form that the front door reads; here each name has its values.
        request = replace(request_of(app.current_event.raw_event, NAME), is_multi_value=False)
        exchange = Exchange(request=request, context=app.lambda_context, run=lambda: route(app))
        return response_of(self._front.serve(exchange))


def answer_of(result: object, _: Request) -> Answer:
    """A route's response as an answer.

    Raises:
        TypeError: It is none.
    """
    if not isinstance(result, Response):
        raise TypeError(f"A middleware below {NAME} returned a {type(result).__name__}, not a Response.")
    response = cast("Response[object]", result)
    return {
        "statusCode": status_of(response.status_code),
        "headers": plain(response.headers),
        "cookies": [str(cookie) for cookie in response.cookies],
        "body": plain_data(response.body),
        "isBase64Encoded": response.base64_encoded,
        "compress": response.compress,
    }


def response_of(served: object) -> Response[object]:
    """A response for the resolver: one that passed through as it is, or an answer's."""
    if isinstance(served, Response):
        return cast("Response[object]", served)
    answer = cast("dict[str, object]", served)
    response = Response(
        status_code=cast("int", answer["statusCode"]),
        body=answer.get("body"),
        headers=cast("dict[str, str | list[str]]", answer["headers"]),
        # The resolver takes their text, which is all that a replay has of them.
        cookies=cast("list[Cookie]", answer.get("cookies", [])),
        compress=cast("bool | None", answer.get("compress")),
    )
    response.base64_encoded = answer.get("isBase64Encoded") is True
    return response
