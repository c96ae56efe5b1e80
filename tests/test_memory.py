from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from idemlambda.memory import MemoryStore
from idemlambda.ports import GONE, Insert, Read, Record, Remove, Replace, Status


def record(version: str, status: Status = Status.INPROGRESS) -> Record:
    """A record of one key."""
    return Record(id="shop#1", status=status, version=version, expiration=0)


def test_a_write_is_applied_or_answered_by_what_is_in_its_way() -> None:
    """Insert, replace and remove compare, and set only what they expect; else they answer what is there."""
    store, first, second, third = MemoryStore(), record("a:1"), record("a:2"), record("b:1")
    assert store.send(Read("shop#1")) is GONE
    assert store.send(Replace(second, expect=first)) is GONE
    assert store.send(Remove(first)) is GONE
    assert store.send(Insert(first)) is None
    assert store.send(Insert(third)) is first
    assert store.send(Replace(second, expect=third)) is first
    assert store.send(Replace(second, expect=first)) is None
    assert store.send(Remove(first)) is second
    assert store.send(Read("shop#1")) is second
    assert store.send(Remove(second)) is None
    assert store.send(Read("shop#1")) is GONE


def test_rule_08_version_and_status_are_compared() -> None:
    """A record of the expected version but another status is in the way."""
    store, done = MemoryStore(), record("a:1", Status.COMPLETED)
    store.send(Insert(done))
    assert store.send(Replace(record("b:1"), expect=record("a:1"))) is done
    assert store.send(Remove(record("a:1"))) is done


def test_of_many_threads_one_inserts() -> None:
    """Operations are atomic: of many inserts at once one is applied, and all others are answered by it."""
    store = MemoryStore()
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(store.send, [Insert(record(f"t{n}:1")) for n in range(64)]))
    there = store.send(Read("shop#1"))
    assert answers.count(None) == 1
    assert answers.count(there) == 63
