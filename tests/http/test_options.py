"""Laws of `@idem.http`'s options: what makes no sense is told while decorating."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import pytest

from idemlambda.app import Idempotency
from idemlambda.errors import ConfigError
from idemlambda.memory import MemoryStore


def place(event: object, context: object) -> None:
    """A handler."""


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"header": "Idempotency Key"}, "no name of a header"),
        ({"header": ""}, "no name of a header"),
        ({"conventions": "rfc"}, "none of conflict, ietf, stripe"),
        ({"methods": "POST"}, r'one string: write methods=\("POST",\)'),
        ({"methods": ()}, "no methods"),
        ({"methods": ("post",)}, "in capitals"),
        ({"methods": ("PO ST",)}, "no methods"),
        ({"statuses": {"reused": 409}}, "'reused' is no code of a problem; those are scope_missing, key_missing"),
        ({"statuses": {"key_reused": 200}}, "key_reused has 200"),
        ({"statuses": {"key_reused": "409"}}, "key_reused has '409'"),
        ({"statuses": {"key_reused": True}}, "key_reused has True"),
        ({"remember": (Exception,)}, "name the errors that are answers"),
        ({"remember": (ValueError, Exception)}, "name the errors that are answers"),
        ({"scope": None, "strict_scope": True}, "drop one"),
        ({"scope": "a b"}, "no JMESPath"),
        ({"scope": 7}, "not a value of type int"),
        ({"ttl": 0}, "ttl=0"),
    ],
)
def test_an_option_without_sense_is_refused(options: Any, reason: str) -> None:
    """Each mistake has its sentence, and none waits for the first request."""
    with pytest.raises(ConfigError, match=reason):
        Idempotency(MemoryStore()).http(**options)(place)


def test_the_configurations_own_remember_is_checked_too() -> None:
    """What `Idempotency` remembers holds for its HTTP handlers, and is refused for the same reason."""
    with pytest.raises(ConfigError, match="name the errors"):
        Idempotency(MemoryStore(), remember=(Exception,)).http(place)


def test_an_unknown_option_is_no_option() -> None:
    """A typing error is not passed over."""
    wrong: Any = {"stric_scope": True}
    with pytest.raises(ConfigError, match="did you mean 'strict_scope'"):
        Idempotency(MemoryStore()).http(**wrong)(place)


def test_a_status_may_be_an_enum() -> None:
    """`HTTPStatus` members are numbers."""
    options: Any = {"statuses": {"key_reused": HTTPStatus.GONE}}
    Idempotency(MemoryStore()).http(namespace="n", **options)(place)


class AsyncStoreOnly:
    """An async store."""

    async def asend(self, op: object) -> None:
        """Carry out nothing."""


def test_an_async_store_serves_coroutine_functions_only() -> None:
    """A sync handler cannot wait for it."""
    store: Any = AsyncStoreOnly()
    with pytest.raises(ConfigError, match="place is no coroutine function"):
        Idempotency(store).http(place)


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (lambda event: event, "does not take an event and a context"),
        (lambda event, context: event, "give it one with namespace="),
        (staticmethod(place), "above the idempotent decorator"),
        ("place", "A function is expected"),
    ],
)
def test_what_is_no_handler_is_refused(function: Callable[..., object], reason: str) -> None:
    """The same checks as of `@idem.handler`."""
    with pytest.raises(ConfigError, match=reason):
        Idempotency(MemoryStore()).http(function)


def test_two_handlers_of_one_name_are_refused() -> None:
    """Two decorated functions never share keys by accident (rule 21)."""
    idem = Idempotency(MemoryStore(), namespace="twice")

    def make(*, first: bool) -> Callable[..., object]:
        if first:

            def handler(event: object, context: object) -> None: ...

        else:

            def handler(event: object, context: object) -> None: ...

        return handler

    idem.http(make(first=True))
    with pytest.raises(ConfigError, match="would share their keys"):
        idem.http(make(first=False))
