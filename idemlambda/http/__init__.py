"""The `Idempotency-Key` contract for API Gateway, load balancers and function URLs.

`@idem.http` is all that most handlers need; `dont_store` is for the answer that should not be kept.
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from typing import ParamSpec, TypeVar, Unpack, cast

from idemlambda._environment import is_disabled
from idemlambda._functions import check_callable, handler_parameters, is_coroutine_function, name_of
from idemlambda._surfaces import argument
from idemlambda.app import Idempotency, checked_namespace
from idemlambda.http._contract import Exchange, dont_store, front_of
from idemlambda.http._options import HttpOptions, config_of
from idemlambda.http._request import request_of
from idemlambda.http._response import answer_of

__all__ = ["HttpOptions", "decorate", "dont_store"]

P = ParamSpec("P")
R = TypeVar("R")


def decorate(idem: Idempotency, function: Callable[P, R], **options: Unpack[HttpOptions]) -> Callable[P, R]:
    """The handler under the contract; a coroutine function stays one.

    Raises:
        ConfigError: The function is no handler, or an option makes no sense.
    """
    check_callable(function)
    first, event_name, context_name = handler_parameters(function)
    name, is_async = name_of(function), is_coroutine_function(function)
    config = config_of(idem, options)
    namespace = checked_namespace(function, config, options.get("namespace"))
    front = front_of(config, options, namespace, answer_of=answer_of, name=name, is_async=is_async)

    def exchange_of(args: tuple[object, ...], kwargs: dict[str, object], run: Callable[[], object]) -> Exchange:
        event = argument((args, kwargs), first, event_name, function)
        context = argument((args, kwargs), first + 1, context_name, function)
        return Exchange(request=request_of(event, name), context=context, run=run)

    if is_async:

        @functools.wraps(function)
        async def aserve(*args: P.args, **kwargs: P.kwargs) -> object:
            if is_disabled():
                return await cast("Awaitable[object]", function(*args, **kwargs))
            return await front.aserve(exchange_of(args, kwargs, lambda: function(*args, **kwargs)))

        return cast("Callable[P, R]", aserve)

    @functools.wraps(function)
    def serve(*args: P.args, **kwargs: P.kwargs) -> R:
        if is_disabled():
            return function(*args, **kwargs)
        return cast("R", front.serve(exchange_of(args, kwargs, lambda: function(*args, **kwargs))))

    return serve
