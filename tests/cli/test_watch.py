from __future__ import annotations

import asyncio
from collections.abc import Callable

import boto3
import pytest

from idemlambda import _guarded
from idemlambda._core import run_once
from idemlambda.app import Idempotency
from idemlambda.cli._watch import Watch, targets_of, watching
from idemlambda.errors import KeyReused
from idemlambda.memory import MemoryStore


@pytest.fixture
def idem() -> Idempotency:
    """A configuration on a store of its own."""
    return Idempotency(MemoryStore())


def named(function: Callable[..., object], name: str) -> Callable[..., object]:
    """A function under a name of its own: two of one name in a process are refused."""
    function.__qualname__ = name
    return function


def test_a_watch_sees_its_own_thread_only(table: str) -> None:
    """DynamoDB calls are noted by the watch they were made under, whatever client makes them; others by none."""
    client = boto3.client("dynamodb")
    with Watch().here() as watch:
        client.get_item(TableName=table, Key={"id": {"S": "a"}})
        asyncio.run(asyncio.to_thread(client.put_item, TableName=table, Item={"id": {"S": "b"}}))
        client.list_tables()
    client.get_item(TableName=table, Key={"id": {"S": "c"}})
    client.close()
    assert [(call.operation, call.names(table)) for call in watch.calls] == [
        ("GetItem", True),
        ("PutItem", True),
        ("ListTables", False),
    ]
    assert watch.calls[1].targets == ({"table": table, "item": {"id": {"S": "b"}}},)


def test_a_transaction_names_all_its_items() -> None:
    """The items of a transaction are found in each of its parts."""
    body = {"TransactItems": [{"Update": {"TableName": "a", "Key": {"id": {"S": "1"}}}}, {"Put": {"TableName": "b"}}]}
    assert targets_of(body) == ({"table": "a", "item": {"id": {"S": "1"}}}, {"table": "b", "item": {}})


def test_outcomes_are_seen_as_observers_are_told_them(idem: Idempotency) -> None:
    """A watch sees of every flow what its observer is told, and whether the function ran."""
    told: list[str] = []

    def work(order: str, fails: bool = False) -> str:  # noqa: FBT001, FBT002 - an argument of the payload
        if fails:
            raise ValueError(order)
        return order

    observed = idem.but(observers=(lambda outcome: told.append(outcome.name),), remember=(KeyError,))
    call = observed.function(key="order")(named(work, "observed_work"))
    with watching(), Watch().here() as watch:
        call("a")
        call("a")
        with pytest.raises(KeyReused):
            call("a", fails=True)
        with pytest.raises(ValueError, match="b"):
            call("b", fails=True)
    assert [seen.outcome for seen in watch.seen] == told == ["executed", "replayed", "key_reused", "failed"]
    assert [seen.has_run for seen in watch.seen] == [True, False, False, True]
    assert watch.has_run


def test_an_unrecorded_result_is_seen_as_such() -> None:
    """A value that is handed on without a record is `unrecorded`."""

    class Down(MemoryStore):
        def send(self, op: object) -> None:
            from idemlambda.errors import StoreUnavailable

            raise StoreUnavailable("down")

    from idemlambda.testing import FakeClock

    idem = Idempotency(Down(), without_store="run", clock=FakeClock())
    with watching(), Watch().here() as watch:
        assert idem.function(named(lambda: 7, "down_work"))() == 7
    assert [seen.outcome for seen in watch.seen] == ["unrecorded"]


def test_inner_calls_are_told_from_outer_ones(idem: Idempotency) -> None:
    """An idempotent call within another one's function is an inner one."""
    inner = idem.function(named(lambda number: number + 1, "inner_work"))
    outer = idem.function(named(lambda number: inner(number), "outer_work"))  # noqa: PLW0108 - a name of its own
    with watching(), Watch().here() as watch:
        outer(1)
        inner(5)
    assert [seen.is_inner for seen in watch.seen] == [False, True, False]
    assert len(watch.outer) == 2


def test_async_flows_are_seen_too(idem: Idempotency) -> None:
    """A coroutine function's flow is seen, and `at_start` is called once it is claimed."""
    begun: list[Watch] = []

    @idem.function
    async def awaited_work() -> str:
        await asyncio.sleep(0)
        return "done"

    with watching(), Watch(begun.append).here() as watch:
        assert asyncio.run(awaited_work()) == "done"
        assert asyncio.run(awaited_work()) == "done"
    assert begun == [watch]
    assert [seen.outcome for seen in watch.seen] == ["executed", "replayed"]


def test_without_a_watch_flows_pass_as_they_are(idem: Idempotency) -> None:
    """Where nobody watches, a call is what it always is; afterwards nothing is left of the watching."""
    call = idem.function(named(lambda: 1, "unwatched_work"))
    with watching():
        assert call() == 1
    assert _guarded.__dict__["run_once"] is run_once
