"""A record as a DynamoDB item, and back: format 1."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, cast

from idemlambda.errors import ConfigError, RecordUnreadable
from idemlambda.record import FORMAT, Body, Record, Status

Value = Mapping[str, object]
"""An attribute value in DynamoDB's low-level form: `{"S": "text"}`."""
Item = dict[str, Value]

SORT_VALUE: Final = "idemlambda"
"""The sort key of every record in a composite table whose partition key is the record's id."""

LONGEST_NUMBER: Final = 20
"""Digits of the longest number that a record holds: milliseconds take 13."""

ATTRIBUTES: Final = (
    "status",
    "version",
    "expiration",
    "in_progress_expiration",
    "validation",
    "digests",
    "data",
    "encoding",
    "steps",
    "attempt",
    "started",
    "completed",
    "origin",
    "error",
    "format",
)
"""The names of a record's attributes, but for its key; a table may have others for them."""

READ_WITHOUT_VERSION: Final = ("status", "expiration", "in_progress_expiration", "data", "validation")
"""What must be as it was read where a record has no version, as Lambda Powertools writes it."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Where a record stands in a table.

    Attributes:
        table: The table's name or ARN.
        partition_key: The name of the table's partition key.
        sort_key: The name of its sort key; None for a table without one.
        partition_value: In a composite table, the partition that holds all records, which then have their id as sort
            key. None spreads them: the id is the partition key, and the sort key is `SORT_VALUE`.
        names: The names of a record's attributes, where they differ from `ATTRIBUTES`.
    """

    table: str
    partition_key: str = "id"
    sort_key: str | None = None
    partition_value: str | None = None
    names: Mapping[str, str] = field(default_factory=dict[str, str])

    def __post_init__(self) -> None:
        if not self.table:
            raise ConfigError("The table's name is empty.")
        if self.partition_value is not None and self.sort_key is None:
            raise ConfigError("partition_value= needs sort_key=: all records would be one item.")
        unknown = sorted(set(self.names) - set(ATTRIBUTES))
        if unknown:
            raise ConfigError(f"attributes= names {', '.join(unknown)}; there are {', '.join(ATTRIBUTES)}.")
        used = [self.partition_key, *([self.sort_key] if self.sort_key else []), *map(self.name, ATTRIBUTES)]
        twice = sorted({name for name in used if used.count(name) > 1})
        if twice:
            raise ConfigError(f"Two attributes of a record are both called {', '.join(twice)}.")

    def name(self, attribute: str) -> str:
        """The table's name of a record's attribute."""
        return self.names.get(attribute, attribute)

    def key(self, record_id: str) -> Item:
        """The primary key of a record."""
        if self.sort_key is None:
            return {self.partition_key: {"S": record_id}}
        if self.partition_value is None:
            return {self.partition_key: {"S": record_id}, self.sort_key: {"S": SORT_VALUE}}
        return {self.partition_key: {"S": self.partition_value}, self.sort_key: {"S": record_id}}

    @property
    def id_name(self) -> str:
        """The key attribute that holds a record's id."""
        return self.sort_key if self.sort_key is not None and self.partition_value is not None else self.partition_key


def item_from(record: Record, layout: Layout) -> Item:
    """A record as an item; what is empty has no attribute."""
    unfinished = record.status is Status.INPROGRESS
    values: dict[str, Value | None] = {
        "status": {"S": record.status.value},
        "version": text(record.version),
        "expiration": {"N": str(record.expiration)},
        "in_progress_expiration": {"N": str(record.lease_end)} if unfinished else None,
        "validation": text(record.fingerprint),
        "digests": {"B": record.digests} if record.digests else None,
        "data": data_value(record.body),
        "encoding": text(record.body.encoding) if record.body else None,
        "steps": {"M": {name: {"M": step_value(body)} for name, body in record.steps.items()}}
        if record.steps
        else None,
        "attempt": {"N": str(record.attempt)},
        "started": {"N": str(record.started)} if record.started else None,
        "completed": {"N": str(record.completed)} if record.completed else None,
        "origin": text(record.origin),
        "error": text(record.error),
        "format": {"N": str(record.format)},
    }
    return layout.key(record.id) | {layout.name(name): value for name, value in values.items() if value is not None}


def text(value: str | None) -> Value | None:
    """A string value, or none for an empty one."""
    return {"S": value} if value else None


def data_value(body: Body | None) -> Value | None:
    """A result's text or bytes."""
    if body is None or body.data is None:
        return None
    return {"S": body.data} if isinstance(body.data, str) else {"B": body.data}


def step_value(body: Body) -> Item:
    """A step's result."""
    values = {"data": data_value(body), "encoding": text(body.encoding)}
    return {name: value for name, value in values.items() if value is not None}


def record_from(item: Mapping[str, object], layout: Layout) -> Record:
    """The record that an item holds.

    Raises:
        RecordUnreadable: An attribute is missing, of a wrong type or out of range, or the format is a newer one.
    """
    read = Reading(item, layout)
    found = read.number("format", default=FORMAT)
    if found > FORMAT:
        raise RecordUnreadable(
            f"{read.place} is of format {found}, and this release reads formats up to {FORMAT}: upgrade idemlambda. "
            "The record was left as it was."
        )
    status = read.text("status")
    if status not in Status.__members__:
        raise read.bad("status", f"{status!r}", "one of " + ", ".join(Status.__members__))
    return Record(
        id=read.id,
        status=Status(status),
        version=read.text("version", default=""),
        expiration=read.number("expiration"),
        lease_end=read.number("in_progress_expiration", default=0) if status == Status.INPROGRESS else 0,
        fingerprint=read.text("validation", default=""),
        digests=read.binary("digests"),
        body=body_from(item, layout, read),
        steps=steps_from(item, layout, read),
        attempt=read.number("attempt", default=1),
        started=read.number("started", default=0),
        completed=read.number("completed", default=0),
        origin=read.text("origin", default=""),
        error=read.text("error", default=""),
        format=found,
    )


class Reading:
    """Reads typed attributes of one item, and says precisely what is wrong with one."""

    def __init__(self, item: Mapping[str, object], layout: Layout) -> None:
        self._item = item
        self._layout = layout
        self.place = f"A record in table {layout.table}"
        self.id = self._take(layout.id_name, "S", None)
        self.place = f"The record {self.id} in table {layout.table}"

    def text(self, attribute: str, default: str | None = None) -> str:
        """A string attribute."""
        return self._take(self._layout.name(attribute), "S", default)

    def binary(self, attribute: str) -> bytes:
        """A binary attribute; empty where it is absent."""
        value = self._value(self._layout.name(attribute))
        if value is None:
            return b""
        found = value.get("B")
        if not isinstance(found, bytes | bytearray):
            raise self.bad(attribute, kind_of(value), "binary (B)")
        return bytes(found)

    def number(self, attribute: str, default: int | None = None) -> int:
        """A whole number, 0 or more."""
        name = self._layout.name(attribute)
        found = self._take(name, "N", None if default is None else str(default))
        if not (found.isascii() and found.isdigit() and len(found) <= LONGEST_NUMBER):
            raise self.bad(name, f"{found[:LONGEST_NUMBER]!r}", "a whole number, 0 or more")
        return int(found)

    def _take(self, name: str, kind: str, default: str | None) -> str:
        value = self._value(name)
        if value is None:
            if default is None:
                raise self.bad(name, "nothing", f"a value of type {kind}")
            return default
        found = value.get(kind)
        if not isinstance(found, str):
            raise self.bad(name, kind_of(value), f"a value of type {kind}")
        return found

    def _value(self, name: str) -> Mapping[str, object] | None:
        value = self._item.get(name)
        if value is not None and not isinstance(value, Mapping):
            raise self.bad(name, type(value).__name__, "an attribute value")
        return cast("Mapping[str, object] | None", value)

    def bad(self, attribute: str, found: str, expected: str) -> RecordUnreadable:
        """The error that names the attribute, what it is and what it should be."""
        return RecordUnreadable(
            f"{self.place} cannot be read: {attribute} is {found}, expected is {expected}. It was left as it was."
        )


def kind_of(value: Mapping[str, object]) -> str:
    """The type letter of an attribute value, for a message."""
    return f"of type {', '.join(value) or 'none'}"


def body_from(item: Mapping[str, object], layout: Layout, read: Reading) -> Body | None:
    """A result in an item, or None where there is none."""
    data, encoding = item.get(layout.name("data")), read.text("encoding", default="")
    if data is None and not encoding:
        return None
    return Body(data=data_from(data, layout.name("data"), read), encoding=encoding or None)


def data_from(value: object, name: str, read: Reading) -> str | bytes | None:
    """A result's text or bytes."""
    if value is None:
        return None
    if isinstance(value, Mapping):
        found = cast("Mapping[str, object]", value)
        if isinstance(data := found.get("S"), str):
            return data
        if isinstance(data := found.get("B"), bytes | bytearray):
            return bytes(data)
        raise read.bad(name, kind_of(found), "a string (S) or binary (B)")
    raise read.bad(name, type(value).__name__, "an attribute value")


def steps_from(item: Mapping[str, object], layout: Layout, read: Reading) -> dict[str, Body]:
    """The stored results of a record's steps."""
    name = layout.name("steps")
    steps: dict[str, Body] = {}
    for step, value in map_from(item.get(name), name, read).items():
        place = f"{name}.{step}"
        found = map_from(value, place, read)
        encoding = found.get("encoding")
        if encoding is not None and not isinstance(data_from(encoding, place, read), str):
            raise read.bad(f"{place}.encoding", "binary", "a string (S)")
        stored = data_from(encoding, place, read)
        steps[step] = Body(
            data=data_from(found.get("data"), place, read), encoding=stored if isinstance(stored, str) else None
        )
    return steps


def map_from(value: object, name: str, read: Reading) -> Mapping[str, object]:
    """A map attribute; empty where it is absent."""
    if value is None:
        return {}
    found = cast("Mapping[str, object]", value).get("M") if isinstance(value, Mapping) else None
    if not isinstance(found, Mapping):
        raise read.bad(name, "something else", "a map (M)")
    return cast("Mapping[str, object]", found)
