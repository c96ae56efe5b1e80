"""A store in front of a store: the completed records of this process.

A cached record answers with its own expiration, which the flow judges as it judges a stored one: so an entry never
outlives its record, and never serves another payload. Only finished records are kept, since only they do not change.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Final, TypeGuard

from idemlambda.ports import AsyncStore, Found, Insert, Read, Record, Remove, Replace, Status, Store, StoreOp

LARGEST_BODY: Final = 64_000
"""Bytes of the largest result that is cached: a few hundred entries of it stay small beside a function's memory."""


class Cache:
    """The last finished records seen, by id; safe to use from many threads."""

    def __init__(self, entries: int) -> None:
        self._entries = entries
        self._records: OrderedDict[str, Record] = OrderedDict()
        self._lock = threading.Lock()

    def answer(self, op: StoreOp) -> Record | None:
        """The finished record that is known to be in the way of an `Insert`, or that a `Read` would find."""
        with self._lock:
            if isinstance(op, Insert | Read) and op.id in self._records:
                self._records.move_to_end(op.id)
                return self._records[op.id]
            return None

    def learn(self, op: StoreOp, found: Found) -> None:
        """Keep what the store said of a finished record, and forget what it said otherwise."""
        there = found
        if found is None and isinstance(op, Insert | Replace):
            there = op.record
        with self._lock:
            self._records.pop(op.id, None)
            if is_cacheable(there):
                self._records[op.id] = there
                if len(self._records) > self._entries:
                    self._records.popitem(last=False)

    def forget(self, op: StoreOp) -> None:
        """Drop the entry: a write on it is on its way, and its answer may be lost."""
        with self._lock:
            self._records.pop(op.id, None)


def is_cacheable(there: Found) -> TypeGuard[Record]:
    """Whether a reply is a finished record of moderate size."""
    if not isinstance(there, Record) or there.status is Status.INPROGRESS:
        return False
    return there.body is None or there.body.size <= LARGEST_BODY


class CachedStore:
    """A `Store` with a cache in front."""

    def __init__(self, store: Store, entries: int) -> None:
        self._store = store
        self._cache = Cache(entries)

    def send(self, op: StoreOp) -> Found:
        """Carry out one operation, as `Store.send` says; a known answer takes no round trip."""
        known = self._cache.answer(op)
        if known is not None:
            return known
        if isinstance(op, Replace | Remove):
            self._cache.forget(op)
        found = self._store.send(op)
        self._cache.learn(op, found)
        return found


class AsyncCachedStore:
    """An `AsyncStore` with a cache in front."""

    def __init__(self, store: AsyncStore, entries: int) -> None:
        self._store = store
        self._cache = Cache(entries)

    async def asend(self, op: StoreOp) -> Found:
        """Carry out one operation, as `AsyncStore.asend` says; a known answer takes no round trip."""
        known = self._cache.answer(op)
        if known is not None:
            return known
        if isinstance(op, Replace | Remove):
            self._cache.forget(op)
        found = await self._store.asend(op)
        self._cache.learn(op, found)
        return found
