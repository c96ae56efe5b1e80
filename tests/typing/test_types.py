"""Decorators keep the type of what they decorate: a type checker reads these, and they run."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, assert_type

from idemlambda import Idempotency, MemoryStore

idem = Idempotency(MemoryStore())


@idem.function
def bare(order: str, times: int = 1) -> int:
    """A function in the bare form."""
    return len(order) * times


@idem.function(key="order", ttl=60)
async def called(order: str) -> list[int]:
    """A coroutine function in the called form."""
    return [len(order)]


@idem.handler(key="id")
def handler(event: dict[str, str], context: object) -> dict[str, str]:
    """A handler."""
    return event


class Till:
    """A class with a guarded method."""

    @idem.function(key="order")
    def charge(self, order: str) -> str:
        """A method."""
        return order


def test_decorated_functions_keep_their_types() -> None:
    """Parameters, results and `async` stay what they were."""
    assert_type(bare("ab", times=2), int)
    assert_type(called("a"), Coroutine[Any, Any, list[int]]).close()
    assert_type(handler, Callable[[dict[str, str], object], dict[str, str]])  # type: ignore[assert-type] # names are kept too
    assert_type(handler({"id": "1"}, None), dict[str, str])
    assert_type(Till().charge("a"), str)
    assert asyncio.run(called("abc")) == [3]
