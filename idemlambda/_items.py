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

LATEST_S: Final = 1_000_000_000_000
"""The latest time that a record may name, in seconds: today in milliseconds lies beyond it."""

LATEST_MS: Final = LATEST_S * 1000
"""The same in milliseconds; also more than any count."""

LONGEST_ID: Final = 300
"""Characters shown of an id: ours are shorter, and a key of somebody else's may take 2 KB."""

SHOWN: Final = 40
"""Characters shown of what is wrong: enough to recognise it, too few to be somebody's payload."""

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

READ_WITHOUT_VERSION: Final = ("status", "expiration", "in_progress_expiration", "data")
"""What must be as it was read where a record has no version, as Lambda Powertools writes it. `validation` is not
among them: it is another kit's hash, which a `Record` does not keep, and alone it never changes."""


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
        named = (self.partition_key, self.sort_key, self.partition_value, *self.names.values())
        if "" in named:
            raise ConfigError("partition_key=, sort_key=, partition_value= and the names in attributes= are not empty.")
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
    # Of a claim also 0: an absent lease is a damaged record, and Powertools would never take it over.
    has_lease = record.status is Status.INPROGRESS or record.lease_end
    values: dict[str, Value | None] = {
        "status": {"S": record.status.value},
        "version": text(record.version),
        "expiration": {"N": str(record.expiration)},
        "in_progress_expiration": {"N": str(record.lease_end)} if has_lease else None,
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

    An item with neither `format` nor `version` is Lambda Powertools' own: its `validation` is another hash and is not
    compared, and a claim of it without a lease is held until it expires.

    Raises:
        RecordUnreadable: An attribute is missing, of a wrong type or out of range, or the format is a newer one.
    """
    read = Reading(item, layout)
    written_format = read.number("format", default=FORMAT, least=1)
    if written_format > FORMAT:
        raise RecordUnreadable(
            f"{read.place} is of format {written_format}, and this release reads formats up to {FORMAT}: upgrade "
            "idemlambda. The record was left as it was."
        )
    status = read.text("status")
    if status not in Status.__members__:
        raise read.bad(layout.name("status"), repr(status[:SHOWN]), "one of " + ", ".join(Status.__members__))
    version, expiration = version_from(read), read.number("expiration", most=LATEST_S)
    return Record(
        id=read.id,
        status=Status(status),
        version=version,
        expiration=expiration,
        lease_end=lease_from(read, Status(status), version, expiration),
        fingerprint=read.text("validation", default="") if version else "",
        digests=read.binary("digests"),
        body=body_from(item, layout, read),
        steps=steps_from(item, layout, read),
        attempt=read.number("attempt", default=1),
        started=read.number("started", default=0),
        completed=read.number("completed", default=0),
        origin=read.text("origin", default=""),
        error=read.text("error", default=""),
        format=written_format,
    )


def version_from(read: Reading) -> str:
    """The version; empty for a record that has neither version nor format, as Lambda Powertools writes it."""
    if not read.has("version") and not read.has("format"):
        return ""
    version = read.text("version")
    if not version:
        raise read.bad(read.name("version"), "empty", "`token:n`")
    if not read.has("format"):
        raise read.bad(read.name("format"), "nothing", "a value of type N beside a version")
    return version


def lease_from(read: Reading, status: Status, version: str, expiration: int) -> int:
    """The end of the lease, in milliseconds.

    A claim of ours always has one, 0 once it is given back: without it the record is damaged, and is not free.
    """
    if status is Status.INPROGRESS:
        return read.number("in_progress_expiration", default=None if version else expiration * 1000)
    return read.number("in_progress_expiration", default=0)


class Reading:
    """Reads typed attributes of one item, and says precisely what is wrong with one."""

    def __init__(self, item: Mapping[str, object], layout: Layout) -> None:
        self._item = item
        self._layout = layout
        self.place = f"A record in table {layout.table}"
        self.id = self._take(layout.id_name, "S", None)
        self.place = f"The record {self.id[:LONGEST_ID]} in table {layout.table}"

    def has(self, attribute: str) -> bool:
        """Whether the item has an attribute."""
        return self.name(attribute) in self._item

    def name(self, attribute: str) -> str:
        """The table's name of an attribute."""
        return self._layout.name(attribute)

    def text(self, attribute: str, default: str | None = None) -> str:
        """A string attribute."""
        return self._take(self.name(attribute), "S", default)

    def binary(self, attribute: str) -> bytes:
        """A binary attribute; empty where it is absent."""
        value = self._value(self.name(attribute))
        if value is None:
            return b""
        found = value.get("B")
        if not isinstance(found, bytes | bytearray):
            raise self.bad(self.name(attribute), kind_of(value), "a value of type B")
        return bytes(found)

    def number(self, attribute: str, default: int | None = None, *, least: int = 0, most: int = LATEST_MS) -> int:
        """A whole number within bounds."""
        found = self._take(self.name(attribute), "N", None if default is None else str(default))
        # The length comes first: thousands of digits are not made a number of.
        if found.isascii() and found.isdigit() and len(found) <= len(str(most)) and least <= int(found) <= most:
            return int(found)
        raise self.bad(self.name(attribute), repr(found[:SHOWN]), f"a whole number from {least} to {most}")

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
        return self.value(self._item[name], name) if name in self._item else None

    def value(self, value: object, name: str) -> Mapping[str, object]:
        """An attribute value: one type and what it holds."""
        found = cast("Mapping[str, object]", value)
        if not isinstance(value, Mapping) or len(found) != 1:
            raise self.bad(name, kind_of(found), "an attribute value of one type")
        return found

    def bad(self, name: str, found: str, expected: str) -> RecordUnreadable:
        """The error that names the attribute, as the table does, what it is and what it should be."""
        return RecordUnreadable(
            f"{self.place} cannot be read: {name[:SHOWN]} is {found}, expected is {expected}. It was left as it was."
        )


def kind_of(value: object) -> str:
    """What an attribute value is, for a message: its type letter, never its content."""
    if not isinstance(value, Mapping):
        return f"a {type(value).__name__}"
    kinds = ", ".join(map(str, cast("Mapping[object, object]", value)))
    return f"of type {kinds[:SHOWN] or 'none'}"


def body_from(item: Mapping[str, object], layout: Layout, read: Reading) -> Body | None:
    """A result in an item, or None where there is none."""
    data, encoding = layout.name("data"), layout.name("encoding")
    if data not in item and encoding not in item:
        return None
    return stored_from(item, data, encoding, "", read)


def steps_from(item: Mapping[str, object], layout: Layout, read: Reading) -> dict[str, Body]:
    """The stored results of a record's steps."""
    name = layout.name("steps")
    if name not in item:
        return {}
    return {
        step: stored_from(map_from(value, f"{name}.{step}", read), "data", "encoding", f"{name}.{step}.", read)
        for step, value in map_from(item[name], name, read).items()
    }


def stored_from(holder: Mapping[str, object], data: str, encoding: str, place: str, read: Reading) -> Body:
    """A stored result: its data and its encoding, by their names in what holds them."""
    how = read.value(holder[encoding], place + encoding) if encoding in holder else {"S": ""}
    written = how.get("S")
    if not isinstance(written, str):
        raise read.bad(place + encoding, kind_of(how), "a value of type S")
    return Body(data=data_from(holder[data], place + data, read) if data in holder else None, encoding=written or None)


def data_from(value: object, name: str, read: Reading) -> str | bytes:
    """A result's text or bytes."""
    found = read.value(value, name)
    if isinstance(data := found.get("S"), str):
        return data
    if isinstance(data := found.get("B"), bytes | bytearray):
        return bytes(data)
    raise read.bad(name, kind_of(found), "a value of type S or B")


def map_from(value: object, name: str, read: Reading) -> Mapping[str, object]:
    """A map attribute."""
    found = read.value(value, name)
    held = found.get("M")
    if not isinstance(held, Mapping):
        raise read.bad(name, kind_of(found), "a value of type M")
    return cast("Mapping[str, object]", held)
