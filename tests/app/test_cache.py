"""Laws of the local cache."""

from __future__ import annotations

import pytest

from idemlambda import Idempotency, KeyReused, MemoryStore
from idemlambda.cache import LARGEST_BODY, CachedStore
from idemlambda.ports import GONE, Body, Insert, Read, Record, Remove, Replace, Status
from idemlambda.testing import FakeClock, RecordedStore


def record(version: str = "a:1", status: Status = Status.COMPLETED, data: str = "1", name: str = "n#1") -> Record:
    """A record."""
    return Record(id=name, status=status, version=version, expiration=2_000_000_000, body=Body(data=data))


def test_an_entry_never_outlives_its_record() -> None:
    """After the expiry of a cached record the function runs again."""
    clock = FakeClock()
    store = RecordedStore(MemoryStore())
    idem = Idempotency(store, clock=clock, ttl=10, cache=5)
    ran: list[int] = []
    handler = idem.handler(namespace="cached")(lambda event, context: ran.append(1))
    handler({}, None)
    clock.advance(seconds=9)
    handler({}, None)
    assert len(store.operations) == 2
    clock.advance(seconds=2)
    handler({}, None)
    assert len(ran) == 2


def test_an_entry_never_serves_another_payload() -> None:
    """A cached answer is refused to a changed payload, without a store call."""
    store = RecordedStore(MemoryStore())
    handler = Idempotency(store, cache=5).handler(key="id", namespace="payload")(lambda event, context: None)
    handler({"id": 1, "a": 1}, None)
    with pytest.raises(KeyReused):
        handler({"id": 1, "a": 2}, None)
    assert len(store.operations) == 2


def test_unfinished_and_large_records_are_not_kept() -> None:
    """A claim changes, and a large result would fill the memory: both are asked for each time."""
    inner = RecordedStore(MemoryStore())
    store = CachedStore(inner, 5)
    claim = record(status=Status.INPROGRESS)
    large = record("a:2", data="x" * (LARGEST_BODY + 1))
    store.send(Insert(claim))
    assert store.send(Read("n#1")) == claim
    store.send(Replace(large, expect=claim))
    assert store.send(Read("n#1")) == large
    assert len(inner.operations) == 4


def test_the_oldest_entry_makes_room() -> None:
    """The cache holds so many entries, and drops the one that was used least recently."""
    inner = RecordedStore(MemoryStore())
    store = CachedStore(inner, 2)
    for number in (1, 2):
        store.send(Insert(record(name=f"n#{number}")))
    store.send(Read("n#1"))
    store.send(Insert(record(name="n#3")))
    assert len(inner.operations) == 3
    store.send(Read("n#1"))
    assert len(inner.operations) == 3
    store.send(Read("n#2"))
    assert len(inner.operations) == 4


def test_a_write_forgets_what_it_changes() -> None:
    """A removed record is not answered from the cache."""
    inner = RecordedStore(MemoryStore())
    store = CachedStore(inner, 2)
    done = record()
    store.send(Insert(done))
    assert store.send(Remove(expect=done)) is None
    assert store.send(Read("n#1")) is GONE
