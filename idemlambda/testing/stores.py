"""Stores around a store: one that writes down what it is asked, and one that dies at an operation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal

from idemlambda.memory import MemoryStore
from idemlambda.ports import Found, Store, StoreOp

When = Literal["before", "after"]

MOST_OPERATIONS: Final = 1_000
"""A call sends a handful of operations; one that is still being killed after so many never ends."""


class Killed(BaseException):
    """The process ends here. No `Exception`: nothing in a flow can answer to it, as nothing answers to SIGKILL."""


class RecordedStore:
    """Passes each operation on, and keeps the list: what a call costs in round trips.

    Attributes:
        operations: What was sent, in order, whether or not it was answered.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self.operations: list[StoreOp] = []

    def send(self, op: StoreOp) -> Found:
        """Carry out one operation, as `Store.send`."""
        self.operations.append(op)
        return self._store.send(op)


class KillingStore:
    """Dies before or after its n-th operation: before, the store never sees it; after, nobody sees the answer.

    Attributes:
        store: The store within, which outlives the death.
        sent: How many operations came by.
        killed: Whether the death has happened.
    """

    def __init__(self, store: Store, *, at: int, when: When) -> None:
        if at < 1:
            raise ValueError(f"operations are counted from 1, not from {at}")
        self.store = store
        self.sent = 0
        self.killed = False
        self._at = at
        self._when = when

    def send(self, op: StoreOp) -> Found:
        """Carry out one operation, as `Store.send`.

        Raises:
            Killed: At the operation that was asked for.
        """
        self.sent += 1
        last = self.sent == self._at
        if last and self._when == "before":
            self.killed = True
            raise Killed
        found = self.store.send(op)
        if last:
            self.killed = True
            raise Killed
        return found


def kill_at_every_operation(
    scene: Callable[[KillingStore], None], *, make_store: Callable[[], Store] = MemoryStore
) -> int:
    """Play a scene once for every place where its process can die.

    The scene gets a store that dies before its first operation, then one that dies after it, before the second, and
    so on, each around a fresh store. It makes its call, expects `Killed`, and checks what is left in `.store`. The
    last time it is played to its end.

    Returns:
        How many deaths were died.

    Raises:
        RuntimeError: The scene never ends by itself.
    """
    deaths = 0
    for at in range(1, MOST_OPERATIONS + 1):
        for when in ("before", "after"):
            store = KillingStore(make_store(), at=at, when=when)
            scene(store)
            if not store.killed:
                return deaths
            deaths += 1
    raise RuntimeError(f"the scene was still sending after {MOST_OPERATIONS:,} operations")
