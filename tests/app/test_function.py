"""Laws of `@idem.function`."""

from __future__ import annotations

import asyncio
import contextvars
import operator
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from idemlambda import ConfigError, Idempotency, InProgress, KeyMissing, KeyReused, MemoryStore, invocation
from idemlambda.ports import Found, Outcome, StoreOp
from idemlambda.testing import FakeClock, LambdaContext, RecordedStore


@dataclass
class Order:
    id: str
    total: int = 1


@dataclass
class Receipt:
    order: str
    run: int


def test_a_function_is_keyed_by_all_its_arguments() -> None:
    """In the bare form defaults, names and places are one call; another argument is another."""
    idem = Idempotency(MemoryStore())
    ran: list[str] = []

    @idem.function
    def charge(order: str, times: int = 1) -> int:
        ran.append(order)
        return len(ran)

    assert charge("a") == charge("a", 1) == charge(order="a", times=1) == 1
    assert charge("a", 2) == 2


def test_a_callable_key_gets_the_arguments_that_it_names() -> None:
    """`key=lambda order: ...` sees the order only; the other arguments are the payload."""
    idem = Idempotency(MemoryStore())

    @idem.function(key=lambda order: order.id)
    def charge(order: Order, *, currency: str = "EUR") -> Receipt:
        return Receipt(order.id, order.total)

    first = charge(Order("a"))
    assert charge(Order("a")) == first
    assert type(charge(Order("a"))) is Receipt
    with pytest.raises(KeyReused, match="/currency"):
        charge(Order("a"), currency="USD")


def test_a_callable_key_with_names_of_its_own_gets_all_in_order() -> None:
    """A callable whose parameters have other names is called by place; one that tells no names also."""
    idem = Idempotency(MemoryStore())

    @idem.function(key=lambda left, right: f"{left}{right}")
    def join(a: str, b: str) -> str:
        return a + b

    @idem.function(key=operator.attrgetter("id"))
    def charge(order: Order) -> str:
        return order.id

    assert join("x", "y") == "xy"
    assert charge(Order("a")) == "a"


def test_a_callable_that_tells_no_parameters_gets_all_in_order() -> None:
    """Some builtins have no signature; they are called by place."""
    idem = Idempotency(MemoryStore())

    @idem.function(key=max)
    def most(a: int, b: int) -> int:
        return max(a, b)

    assert most(1, 2) == 2


def test_a_callable_that_cannot_be_called_is_refused_while_decorating() -> None:
    """A callable that names neither the function's parameters nor as many is a `ConfigError`."""
    idem = Idempotency(MemoryStore())
    with pytest.raises(ConfigError, match="name the parameters"):

        @idem.function(key=lambda a, b: a)
        def one(order: str) -> str:
            return order


def test_a_jmespath_key_sees_the_arguments_by_name() -> None:
    """`key="order.id"` reaches into a dataclass argument."""
    idem = Idempotency(MemoryStore())

    @idem.function(key="order.id", payload="order.total", scope="tenant")
    def charge(order: Order, tenant: str | None, note: str = "") -> str:
        return f"{order.id}{note}"

    assert charge(Order("a"), "t", "first") == charge(Order("a"), "t", "second") == "afirst"
    assert charge(Order("a"), "u", "other") == "aother"
    with pytest.raises(KeyMissing):
        charge(Order("a"), None)


def test_methods_leave_out_their_object() -> None:
    """`self` and `cls` are no part of a call; a static method has none."""
    idem = Idempotency(MemoryStore())
    ran: list[str] = []

    class Till:
        @idem.function
        def charge(self, order: str) -> int:
            ran.append(order)
            return len(ran)

        @classmethod
        @idem.function
        def refund(cls, order: str) -> int:
            ran.append(order)
            return len(ran)

        @staticmethod
        @idem.function
        def audit(order: str) -> int:
            ran.append(order)
            return len(ran)

    assert Till().charge("a") == Till().charge("a") == 1
    assert Till.refund("a") == Till().refund("a") == 2
    assert Till.audit("a") == Till.audit("a") == 3


def test_nested_functions_keep_records_of_their_own() -> None:
    """An idempotent function inside another replays on its own when the outer one runs again."""
    idem = Idempotency(MemoryStore())
    ran: list[str] = []
    failing = [True]

    @idem.function
    def inner(order: str) -> str:
        ran.append("inner")
        return f"inner {order}"

    @idem.function
    def outer(order: str) -> str:
        ran.append("outer")
        result = inner(order)
        if failing.pop():
            failing.append(False)
            raise RuntimeError("after the inner one")
        return result

    with pytest.raises(RuntimeError):
        outer("a")
    assert outer("a") == "inner a"
    assert ran == ["outer", "inner", "outer"]


def once_free(function: Callable[[int], int], number: int) -> int:
    """Call until no other thread holds the claim."""
    while True:
        try:
            return function(number)
        except InProgress:
            time.sleep(0.001)


def test_eight_threads_never_meet_each_others_records() -> None:
    """Nested functions on one object, from 8 threads over the same keys, run once a key each (rule 21)."""
    idem = Idempotency(MemoryStore())
    ran: list[tuple[str, int]] = []

    @idem.function
    def square(number: int) -> int:
        ran.append(("square", number))
        return number * number

    @idem.function
    def negate(number: int) -> int:
        ran.append(("negate", number))
        return -once_free(square, number)

    def work() -> list[tuple[int, int]]:
        return [(once_free(square, number), once_free(negate, number)) for number in range(50)]

    with ThreadPoolExecutor(8) as pool:
        found = [future.result(timeout=60) for future in [pool.submit(work) for _ in range(8)]]
    assert found == [[(number**2, -(number**2)) for number in range(50)]] * 8
    assert sorted(ran) == [(name, number) for name in ("negate", "square") for number in range(50)]


def test_an_async_function_stays_one_under_a_loop_per_call() -> None:
    """A coroutine function works under `asyncio.run` ten times in one process, on a sync store."""
    store = RecordedStore(MemoryStore())
    idem = Idempotency(store)
    ran: list[str] = []

    @idem.function(key=lambda order: order)
    async def charge(order: str) -> str:
        await asyncio.sleep(0)
        ran.append(order)
        return f"{order} {len(ran)}"

    assert [asyncio.run(charge("a")) for _ in range(10)] == ["a 1"] * 10
    assert ran == ["a"]
    assert len(store.operations) == 2 + 9


class AsyncMemory:
    """A native async store."""

    def __init__(self) -> None:
        self.inner = MemoryStore()

    async def asend(self, op: StoreOp) -> Found:
        await asyncio.sleep(0)
        return self.inner.send(op)


def test_an_async_store_serves_coroutine_functions_only() -> None:
    """A sync function on an async store is refused while decorating; with a cache it is async still."""
    for cache in (0, 10):
        idem = Idempotency(AsyncMemory(), cache=cache)
        with pytest.raises(ConfigError, match="async store"):

            @idem.function
            def sync() -> None: ...

        @idem.function(namespace="async")
        async def charge(order: str) -> str:
            return order.upper()

        assert asyncio.run(charge("a")) == asyncio.run(charge("a")) == "A"


def test_async_outcomes_are_told_like_sync_ones() -> None:
    """Refusals, errors and unprotected calls of coroutine functions reach the observers."""
    told: list[Outcome] = []
    idem = Idempotency(MemoryStore(), observers=(told.append,))

    @idem.handler(key="id", key_optional=True)
    async def handler(event: dict[str, object], context: object) -> str:
        if event.get("fail"):
            raise ValueError("no")
        return "done"

    assert asyncio.run(handler({}, None)) == "done"
    assert asyncio.run(handler({"id": 1}, LambdaContext(5))) == "done"
    with pytest.raises(KeyReused):
        asyncio.run(handler({"id": 1, "more": 2}, None))
    with pytest.raises(ValueError, match="no"):
        asyncio.run(handler({"id": 2, "fail": True}, None))
    assert [outcome.name for outcome in told] == ["unprotected", "executed", "key_reused", "failed"]


def test_an_invocation_gives_its_deadline_to_functions_inside() -> None:
    """Under `invocation(context)` a claim lapses at the deadline plus the skew, outside after 60 seconds (rule 3)."""
    clock = FakeClock()
    store = MemoryStore()
    idem = Idempotency(store, clock=clock)
    waits: list[float] = []

    @idem.function
    def charge(order: str) -> None:
        if len(waits) < 2:
            with pytest.raises(InProgress) as refused:
                charge(order)
            waits.append(refused.value.retry_after)

    with invocation(LambdaContext(5, clock=clock)):
        charge("a")
    contextvars.Context().run(charge, "b")
    assert waits == [pytest.approx(7.0), pytest.approx(60.0)]
