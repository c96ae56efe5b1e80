"""How a kind of function shows its calls: from its arguments to key, payload and Lambda context."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Final, cast

from idemlambda._functions import bound_first, handler_parameters, name_of, own_parameters, parameters_of
from idemlambda._guarded import Arguments, Selected, Surface
from idemlambda.envelopes import BATCH_SOURCES, HTTP_SOURCES, business_part, source_of
from idemlambda.errors import ConfigError
from idemlambda.invocation import current_invocation
from idemlambda.keys import Selector, compile_selector

CHANGING_SOURCES: Final = HTTP_SOURCES | BATCH_SOURCES
"""Envelopes that differ on every retry (request ids, receipt handles): as a whole they are no key."""


def handler_surface(
    function: Callable[..., object], *, key: Selector | None, payload: Selector | None, scope: Selector | None
) -> Surface:
    """The surface of a Lambda handler: `(event, context)`, after `self` or `cls` of a method."""
    first, event_name, context_name = handler_parameters(function)
    for what, selector in (("key", key), ("payload", payload), ("scope", scope)):
        refuse_more_than_the_event(selector, what)
    select_key, select_payload, select_scope = compiled(key, payload, scope)

    def select(arguments: Arguments) -> Selected:
        event = argument(arguments, first, event_name, function)
        in_scope = of_tenant(select_scope(event) if select_scope else None)
        if select_key is None:
            refuse_changing(event)
            whole = select_payload(event) if select_payload else event
            return Selected(key=(in_scope, event), payload=whole, repeats_key=select_payload is None)
        part = select_payload(event) if select_payload else default_payload(event)
        return Selected(key=(in_scope, select_key(event)), payload=part, repeats_key=False)

    return Surface(select=select, context=lambda arguments: argument(arguments, first + 1, context_name, function))


def function_surface(
    function: Callable[..., object], *, key: Selector | None, payload: Selector | None, scope: Selector | None
) -> Surface:
    """The surface of any function: its arguments by name, with defaults filled in, without `self` or `cls`."""
    signature = inspect.signature(function)
    names = own_parameters(function)
    first = bound_first(function)
    select_key, select_payload, select_scope = compiled(
        by_name(key, names, what="key"), by_name(payload, names, what="payload"), by_name(scope, names, what="scope")
    )

    def select(arguments: Arguments) -> Selected:
        bound = signature.bind(*arguments[0], **arguments[1])
        bound.apply_defaults()
        named = dict(list(bound.arguments.items())[first:])
        in_scope = of_tenant(select_scope(named) if select_scope else None)
        part = select_payload(named) if select_payload else named
        if select_key is None:
            return Selected(key=(in_scope, named), payload=part, repeats_key=select_payload is None)
        return Selected(key=(in_scope, select_key(named)), payload=part, repeats_key=False)

    return Surface(select=select, context=None)


def of_tenant(scope: object) -> object:
    """A scope within the tenant whose invocation this is, in Lambda's tenant isolation mode."""
    tenant = current_invocation().tenant_id
    return scope if tenant is None else ("tenant", tenant, scope)


Compiled = Callable[[object], object] | None


def compiled(key: Selector | None, payload: Selector | None, scope: Selector | None) -> tuple[Compiled, ...]:
    """The three selectors, compiled while decorating.

    Raises:
        ConfigError: An expression has a syntax error, or a callable is async.
    """
    given = (("key", key), ("payload", payload), ("scope", scope))
    return tuple(compile_selector(selector, what=what) if selector is not None else None for what, selector in given)


def refuse_more_than_the_event(selector: Selector | None, what: str) -> None:
    """Refuse, while decorating, a callable that cannot be called with the event alone.

    Raises:
        ConfigError: It takes something else.
    """
    if not callable(selector):
        return
    try:
        inspect.signature(selector).bind(None)
    except TypeError as error:
        raise ConfigError(f"The {what} callable of a handler is called with the event alone: {error}.") from error
    except ValueError:  # some builtins do not tell
        return


def by_name(selector: Selector | None, names: tuple[str, ...], *, what: str) -> Selector | None:
    """A callable selector of a function, called with the arguments that it names, or else with all in order."""
    if selector is None or isinstance(selector, str) or inspect.iscoroutinefunction(selector):
        return selector
    wanted = parameters_of(selector)
    if wanted and set(wanted) <= set(names):

        def with_named(named: Mapping[str, object]) -> object:
            return selector(**{name: named[name] for name in wanted})

        return with_named
    if len(wanted) in {0, len(names)}:

        def with_all(named: Mapping[str, object]) -> object:
            return selector(*named.values())

        return with_all
    raise ConfigError(
        f"The {what} callable takes ({', '.join(wanted)}), the function has ({', '.join(names)}): "
        "name the parameters that it needs."
    )


def argument(arguments: Arguments, index: int, name: str, function: Callable[..., object]) -> object:
    """One argument, by place or by name.

    Raises:
        TypeError: It is missing, as for any call.
    """
    args, kwargs = arguments
    if index < len(args):
        return args[index]
    if name in kwargs:
        return kwargs[name]
    default = inspect.signature(function).parameters[name].default
    if default is not inspect.Parameter.empty:
        return default
    raise TypeError(f"{name_of(function)}() is missing its argument {name!r}")


def refuse_changing(event: object) -> None:
    """Refuse an event whose envelope differs on every retry as its own key.

    Raises:
        ConfigError: Says what to decorate with instead.
    """
    source = source_of(event)
    if source not in CHANGING_SOURCES:
        return
    mend = "@idem.http" if source in HTTP_SOURCES else "@idem.batch"
    raise ConfigError(
        f"This is an event of {source}, and its envelope differs on every retry: as a whole it is no key. "
        f"Decorate with {mend}, or name the part that stays the same with key=."
    )


def default_payload(event: object) -> object:
    """What the fingerprint covers where a key is given: the business part of a known envelope, else the event."""
    source = source_of(event)
    if source is None:
        return event
    return business_part(cast("Mapping[str, object]", event), source)
