"""A store in a dict: what the store contract means."""

from __future__ import annotations

import threading

from idemlambda.ports import GONE, Found, Insert, Read, Record, Remove, StoreOp


class MemoryStore:
    """Records in this process, for tests and for a desk; safe to use from many threads."""

    def __init__(self) -> None:
        self._records: dict[str, Record] = {}
        self._lock = threading.Lock()

    def send(self, op: StoreOp) -> Found:
        """Carry out one operation, as `Store.send` says."""
        with self._lock:
            there = self._records.get(op.id)
            if isinstance(op, Read):
                return there or GONE
            if isinstance(op, Insert):
                if there is not None:
                    return there
            elif there is None or not there.is_same_write(op.expect):
                return there or GONE
            if isinstance(op, Remove):
                del self._records[op.id]
            else:
                self._records[op.id] = op.record
            return None
