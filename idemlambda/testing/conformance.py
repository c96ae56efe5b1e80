"""The laws that every store keeps, as a test class: a store of your own subclasses it and is shown to be right.

```python
class TestMyStore(StoreConformance):
    def make_store(self) -> Store:
        return MyStore()
```
"""

from __future__ import annotations

import secrets
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Final

from idemlambda.ports import GONE, Body, Insert, Read, Record, Remove, Replace, Status, Store

WRITERS: Final = 8
"""Threads that race: enough to meet on any engine, few enough for a small machine."""

LARGE: Final = "ä" * 150_000
"""A result of 300 KB: near the 400 KB that a DynamoDB item may hold."""


def claim(record_id: str, version: str = "a:1") -> Record:
    """A claim as the flow makes one, with every field that a claim has."""
    return Record(
        id=record_id,
        status=Status.INPROGRESS,
        version=version,
        expiration=4_000_000_000,
        lease_end=3_999_999_999_999,
        fingerprint="f" * 64,
        digests=bytes(range(33)),
        attempt=2,
        started=1_750_000_000_000,
        origin="function/request",
        error="an earlier failure",
    )


class StoreConformance:
    """What a `Store` does, one law a test. Subclasses give `make_store`.

    Attributes:
        is_atomic: Whether writes of several threads are; an engine that imitates DynamoDB may not be.
    """

    is_atomic = True

    def make_store(self) -> Store:
        """A store to test. It need not be empty: each test uses ids of its own."""
        raise NotImplementedError("give a store to test")

    def start(self) -> tuple[Store, str]:
        """A store, and an id that is not in it."""
        return self.make_store(), f"conformance.{secrets.token_hex(8)}#{'0' * 64}"

    def test_an_absent_record_reads_as_gone(self) -> None:
        """A read of what is not there answers `GONE`, not an empty record."""
        store, name = self.start()
        assert store.send(Read(name)) is GONE

    def test_what_is_inserted_is_read_whole(self) -> None:
        """Every field of a record comes back equal."""
        store, name = self.start()
        for record in samples(name):
            assert store.send(Insert(record)) is None
            assert store.send(Read(record.id)) == record

    def test_an_insert_never_overwrites(self) -> None:
        """An insert over a record answers that record and leaves it."""
        store, name = self.start()
        first = claim(name)
        store.send(Insert(first))
        assert store.send(Insert(claim(name, "b:1"))) == first
        assert store.send(Read(name)) == first

    def test_a_resent_insert_meets_itself(self) -> None:
        """The same insert again answers None or its own record, and changes nothing."""
        store, name = self.start()
        first = claim(name)
        store.send(Insert(first))
        assert store.send(Insert(first)) in (None, first)
        assert store.send(Read(name)) == first

    def test_a_replace_of_what_was_read_is_applied(self) -> None:
        """A replace that expects the version and status there takes their place."""
        store, name = self.start()
        first = claim(name)
        done = finished(first)
        store.send(Insert(first))
        assert store.send(Replace(done, expect=first)) is None
        assert store.send(Read(name)) == done

    def test_a_write_on_another_version_is_refused(self) -> None:
        """Replace and remove that expect another version answer the record there and leave it."""
        store, name = self.start()
        first = claim(name)
        store.send(Insert(first))
        other = claim(name, "b:1")
        assert store.send(Replace(finished(other), expect=other)) == first
        assert store.send(Remove(expect=other)) == first
        assert store.send(Read(name)) == first

    def test_a_write_on_another_status_is_refused(self) -> None:
        """The version alone is not enough: a status that is not as it was read refuses too (rule 8)."""
        store, name = self.start()
        first = claim(name)
        store.send(Insert(first))
        other = replace(first, status=Status.COMPLETED)
        assert store.send(Replace(finished(first), expect=other)) == first
        assert store.send(Remove(expect=other)) == first

    def test_a_write_on_nothing_is_gone(self) -> None:
        """Replace and remove of what is not there answer `GONE` and write nothing."""
        store, name = self.start()
        first = claim(name)
        assert store.send(Replace(finished(first), expect=first)) is GONE
        assert store.send(Remove(expect=first)) is GONE
        assert store.send(Read(name)) is GONE

    def test_a_removed_record_is_gone(self) -> None:
        """A remove of what was read deletes it, and its id can be inserted again."""
        store, name = self.start()
        first = claim(name)
        store.send(Insert(first))
        assert store.send(Remove(expect=first)) is None
        assert store.send(Read(name)) is GONE
        assert store.send(Insert(claim(name, "b:1"))) is None

    def test_one_of_many_inserts_wins(self) -> None:
        """Of inserts at once exactly one is applied, and the others are shown it."""
        if not self.is_atomic:
            return
        store, name = self.start()
        rivals = [claim(name, f"{number}:1") for number in range(WRITERS)]
        with ThreadPoolExecutor(WRITERS) as pool:
            replies = list(pool.map(store.send, map(Insert, rivals)))
        winner = rivals[replies.index(None)]
        assert [reply for reply in replies if reply is not None] == [winner] * (WRITERS - 1)

    def test_one_of_many_takeovers_wins(self) -> None:
        """Of replaces at once that expect one record exactly one is applied."""
        if not self.is_atomic:
            return
        store, name = self.start()
        first = claim(name)
        store.send(Insert(first))
        takeovers = [Replace(claim(name, f"{number}:1"), expect=first) for number in range(WRITERS)]
        with ThreadPoolExecutor(WRITERS) as pool:
            replies = list(pool.map(store.send, takeovers))
        assert replies.count(None) == 1


def finished(first: Record) -> Record:
    """A claim's record when it is done."""
    return replace(
        first,
        status=Status.COMPLETED,
        version="a:2",
        lease_end=0,
        body=Body(data='{"receipt": "ä"}'),
        completed=1_750_000_001_000,
        error="",
    )


def samples(name: str) -> list[Record]:
    """Records of every shape, each under an id of its own."""
    first = claim(name)
    bodies = [Body(data=""), Body(data=LARGE), Body(data=bytes(range(256)), encoding="deflate"), Body(encoding="none")]
    return [
        first,
        *(replace(finished(first), id=f"{name}.{number}", body=body) for number, body in enumerate(bodies)),
        replace(
            first, id=f"{name}.steps", lease_end=0, steps={"résumé ☕": Body(data="1"), "b.c": Body(encoding="none")}
        ),
        replace(finished(first), id=f"{name}.failed", status=Status.FAILED, error="KeyError: 'x'"),
        Record(id=f"{name}.bare", status=Status.COMPLETED, version="a:1", expiration=1),
    ]
