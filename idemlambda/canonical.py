"""Canonical JSON: one value, one run of bytes, and no two different values share theirs.

A JSON value (str, int, float, bool, None, list, dict with string keys) is written as RFC 8785 says: no blanks, members
sorted by the UTF-16 code units of their names, numbers as ECMAScript writes them, strings escaped only where they must
be and never normalised. What JSON has no word for is written as `kind(...)`, which no JSON text contains outside a
string, so that no value imitates another kind:

| value | written as | equal to |
|---|---|---|
| int, float | `1`, `0.5`, `1e+21` | each other, by value; `-0.0` is `0` |
| int that no float equals | `int("0x20000000000001")` | itself: big integers are exact |
| subclasses of str, int, float, dict, list, tuple | as the base (`StrEnum`, `IntEnum`, named tuples) | the base |
| tuple | `[1,2]` | the list: an event that went through JSON has lists only |
| any `Mapping` | `{"a":1}` | the dict |
| mapping keys that are no strings | `{"a":1,2:"b"}`, after the strings | equal keys of their own kind |
| bytes, bytearray, memoryview | `bytes("6869")` | each other |
| set, frozenset | `set("a","b")` | each other |
| Decimal | `decimal("11e-1")` | decimals of that value; never a float |
| datetime with an offset | `instant(1700000000000000)`, microseconds | the same instant in any zone |
| datetime without one, date, time | `datetime("2024-01-01T00:00:00")`, ... | itself |
| timedelta | `timedelta(60000000)`, microseconds | itself |
| UUID, path | `uuid("...")`, `path("a/b")` | itself |
| Enum, Flag | `enum("Colour","RED")`, `enum("Access",5)` | itself: by name, for `auto()` renumbers values |
| dataclass, pydantic model | `object("Order",{"id":1})`, all fields | its class, by name: a Deposit is no Withdrawal |

Everything else is refused, and so are NaN, the infinities, lone surrogates and more than 128 levels.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import Enum, Flag, IntEnum
from itertools import pairwise
from json.encoder import encode_basestring
from typing import TYPE_CHECKING, Final, cast

from idemlambda._numbers import c_prints, float_text, int_text
from idemlambda.errors import KeyInvalid

if TYPE_CHECKING:
    from decimal import Decimal

__all__ = ["MAX_DEPTH", "canonical", "members", "plain", "pointer", "shown"]

MAX_DEPTH: Final = 128
"""Levels of containers in a value. Events have a dozen; far more is an attack or a cycle, and 128 spare the stack."""

MAX_POINTER: Final = 200
"""Characters of a JSON pointer in a message: enough to find the place, and no flood in a log."""

FIRST_SURROGATE: Final = "\ud800"
"""Below it, the order of code points (C's) is the order of UTF-16 code units (RFC 8785, 3.2.3)."""

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND: Final = timedelta(microseconds=1)

_WORDS: Final = frozenset({str, bool, type(None)})
"""Types that C writes canonically, whatever the value."""

_SCALARS: Final = _WORDS | {int, float}
"""Types whose values have no parts."""

_CONTAINERS: Final = frozenset({dict, list})
"""Types that C writes canonically, if it does so with what is in them."""

_C_ENCODER: Final = json.JSONEncoder(
    ensure_ascii=False, check_circular=False, allow_nan=False, sort_keys=True, separators=(",", ":")
)


class _RefusedError(Exception):
    """What was met has no canonical form; on the way up each container adds its token to `tokens`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.tokens: list[str] = []

    def as_key_invalid(self) -> KeyInvalid:
        """The same for callers, with the place as a JSON pointer."""
        place = shown(pointer(reversed(self.tokens))) or "the value itself"
        return KeyInvalid(f"No key or fingerprint can be made, because of {place}: {self.reason}.")


class _Shape(IntEnum):
    """How far a value is from what the C encoder writes canonically."""

    OTHER = 0  # Types beyond JSON's, or too deep.
    JSON = 1  # JSON's own types, with numbers or names that C would print or sort otherwise.
    SIMPLE = 2  # The C encoder gives the canonical bytes.


def canonical(value: object) -> bytes:
    """The canonical form of a value, in UTF-8.

    Raises:
        KeyInvalid: The value, or a part of it, has none; the message names the place as a JSON pointer, and the type.
    """
    try:
        if type(value) in _CONTAINERS and _shape(value) is _Shape.SIMPLE:
            try:
                return _C_ENCODER.encode(value).encode()
            except UnicodeEncodeError:
                pass  # A lone surrogate; what follows refuses it and says where.
        return _encode(value, MAX_DEPTH).encode()
    except _RefusedError as refused:
        raise refused.as_key_invalid() from None


def plain(value: object) -> object:
    """The value as plain data, which JMESPath can search: mappings and fields as dicts, tuples as lists.

    Anything else is left as it is; data that is plain already is returned itself, not copied.

    Raises:
        KeyInvalid: The value is deeper than `MAX_DEPTH` levels.
    """
    if _shape(value) is not _Shape.OTHER:
        return value
    try:
        return _plain(value, MAX_DEPTH)
    except _RefusedError as refused:
        raise refused.as_key_invalid() from None


def members(value: object) -> list[tuple[str, object]] | None:
    """The parts of a container, each with its JSON pointer token, in canonical order; None where there are no parts.

    Raises:
        KeyInvalid: A mapping's key has no canonical form.
    """
    if type(value) in _SCALARS:
        return None
    if isinstance(value, list | tuple):
        return [(str(index), item) for index, item in enumerate(cast("list[object]", value))]
    if (items := _items(value)) is None:
        return None
    try:
        return [(_token(key), item) for _, key, item in _in_order(items, MAX_DEPTH)]
    except _RefusedError as refused:
        raise refused.as_key_invalid() from None


def pointer(tokens: Iterable[str]) -> str:
    """A JSON pointer (RFC 6901)."""
    return "".join("/" + token.replace("~", "~0").replace("/", "~1") for token in tokens)


def shown(pointer: str) -> str:
    """A JSON pointer for a message, cut with an ellipsis at `MAX_POINTER` characters."""
    text = pointer if len(pointer) <= MAX_POINTER else pointer[: MAX_POINTER - 1] + "…"
    return text.encode("utf-8", "backslashreplace").decode()


def _shape(value: object) -> _Shape:
    """One pass without recursion. Deep first, so that a cycle ends at `MAX_DEPTH` and does not grow by level."""
    shape = _Shape.SIMPLE
    pending: list[tuple[list[object] | dict[object, object], int]] = [([value], -1)]
    while pending and shape is not _Shape.OTHER:
        container, depth = pending.pop()
        if depth == MAX_DEPTH:
            return _Shape.OTHER
        items: Iterable[object] = container
        if isinstance(container, dict):
            shape = min(shape, _shape_of_names(container))
            items = container.values()
        for item in items:
            kind = type(item)
            if kind in _WORDS:
                continue
            if kind is dict or kind is list:
                pending.append((cast("list[object]", item), depth + 1))
            elif kind is not int and kind is not float:
                return _Shape.OTHER
            elif not c_prints(cast("float", item)):
                shape = min(shape, _Shape.JSON)
    return shape


def _shape_of_names(mapping: dict[object, object]) -> _Shape:
    for key in mapping:
        if type(key) is not str:
            return _Shape.OTHER
        if not key.isascii() and max(key) >= FIRST_SURROGATE:
            return _Shape.JSON
    return _Shape.SIMPLE


def _encode(value: object, levels: int) -> str:  # noqa: PLR0911 - one line a kind, the most frequent first
    if isinstance(value, str):
        return _string(value)
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return int_text(value)
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, list | tuple):
        return _array(cast("list[object]", value), levels)
    if isinstance(value, dict):
        return _object(cast("dict[object, object]", value).items(), levels)
    return _other(value, levels)


def _string(text: str) -> str:
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            lone = f"U+{ord(text[error.start]):04X}"
            raise _RefusedError(f"a str with the lone surrogate {lone}, which is no Unicode text") from None
    return encode_basestring(text)


def _number(number: float) -> str:
    if not math.isfinite(number):
        raise _RefusedError(f"a float that is {float.__repr__(number)}, which is no JSON number")
    return float_text(number)


def _array(items: list[object], levels: int) -> str:
    _descend(levels)
    parts: list[str] = []
    for index, item in enumerate(items):
        try:
            parts.append(_encode(item, levels - 1))
        except _RefusedError as refused:
            refused.tokens.append(str(index))
            raise
    return "[" + ",".join(parts) + "]"


def _object(items: Iterable[tuple[object, object]], levels: int) -> str:
    _descend(levels)
    parts: list[str] = []
    for _, key, item in _in_order(items, levels):
        try:
            parts.append(f"{_encode(key, levels - 1)}:{_encode(item, levels - 1)}")
        except _RefusedError as refused:
            refused.tokens.append(_token(key))
            raise
    return "{" + ",".join(parts) + "}"


def _in_order(items: Iterable[tuple[object, object]], levels: int) -> list[tuple[tuple[bool, bytes], object, object]]:
    """Members in canonical order: names by their UTF-16 code units (RFC 8785, 3.2.3), other keys after them."""
    ranked = [(_rank(key, levels), key, item) for key, item in items]
    ranked.sort(key=lambda member: member[0])
    for (rank, _, _), (following, _, _) in pairwise(ranked):
        if rank == following:
            raise _RefusedError("a mapping with two keys of one canonical form")
    return ranked


def _rank(key: object, levels: int) -> tuple[bool, bytes]:
    if isinstance(key, str):
        return False, key.encode("utf-16-be", "surrogatepass")
    try:
        return True, _encode(key, levels - 1).encode()
    except _RefusedError as refused:
        refused.reason = f"one of its keys cannot be written: {refused.reason}"
        refused.tokens.clear()
        raise


def _token(key: object) -> str:
    return str.__str__(key) if isinstance(key, str) else _encode(key, MAX_DEPTH)


def _descend(levels: int) -> None:
    if levels <= 0:
        raise _RefusedError(f"it is nested deeper than {MAX_DEPTH} levels, or contains itself")


def _items(value: object) -> Iterable[tuple[object, object]] | None:
    """The members of a mapping, or the fields of a dataclass or pydantic model; None of anything else."""
    if isinstance(value, Mapping):
        return cast("Mapping[object, object]", value).items()
    return _fields(value)


def _fields(value: object) -> list[tuple[object, object]] | None:
    """All fields of a dataclass or pydantic model (2.x, told by its shape: pydantic is not imported); None otherwise.

    One level only: `asdict` and `model_dump` would take the classes off what is inside. By the class's declarations:
    an instance's dictionary also holds what a cached property has left there.
    """
    if is_dataclass(value) and not isinstance(value, type):
        return [(field.name, getattr(value, field.name)) for field in fields(value)]
    declared: object = getattr(type(value), "model_fields", None)
    if not isinstance(declared, dict) or not hasattr(type(value), "model_dump"):
        return None
    found: list[tuple[object, object]] = [(name, getattr(value, name)) for name in cast("dict[str, object]", declared)]
    extra = cast("dict[object, object] | None", getattr(value, "model_extra", None))
    return [*found, *(extra or {}).items()]


def _other(value: object, levels: int) -> str:
    """A value whose type JSON does not have."""
    if (declared := _fields(value)) is not None:
        return f"object({_string(type(value).__qualname__)},{_object(declared, levels)})"
    if isinstance(value, Mapping):
        return _object(cast("Mapping[object, object]", value).items(), levels)
    if isinstance(value, set | frozenset):
        _descend(levels)
        return f"set({','.join(sorted(_encode(item, levels - 1) for item in cast('set[object]', value)))})"
    if isinstance(value, os.PathLike):
        return f"path({_encode(os.fspath(cast('os.PathLike[str]', value)), levels)})"
    for base in type(value).__mro__:
        if encoder := _KINDS.get(f"{base.__module__}.{base.__qualname__}"):
            return encoder(value)
    name = f"{type(value).__module__}.{type(value).__qualname__}"
    raise _RefusedError(f"a {name.removeprefix('builtins.')} is not JSON-like; let key= or payload= select what is")


def _bytes(value: bytes | bytearray | memoryview) -> str:
    return f'bytes("{bytes(value).hex()}")'


def _datetime(value: datetime) -> str:
    if value.utcoffset() is None:
        return f'datetime("{value.replace(tzinfo=None).isoformat()}")'
    return f"instant({(value - EPOCH) // MICROSECOND})"


def _date(value: date) -> str:
    return f'date("{value.isoformat()}")'


def _time(value: time) -> str:
    return f'time("{value.isoformat()}")'


def _timedelta(value: timedelta) -> str:
    return f"timedelta({value // MICROSECOND})"


def _decimal(value: Decimal) -> str:
    sign, digits, exponent = value.as_tuple()
    if not isinstance(exponent, int):
        raise _RefusedError(f"a Decimal that is {value}, which is no number to compare by")
    text = "".join(map(str, digits))
    shortest = text.rstrip("0")
    if not shortest:
        return 'decimal("0")'
    return f'decimal("{"-" if sign else ""}{shortest}e{exponent + len(text) - len(shortest)}")'


def _uuid(value: object) -> str:
    return f'uuid("{value}")'


def _enum(value: Enum) -> str:
    return f"enum({_string(type(value).__qualname__)},{_string(value.name)})"


def _flag(value: Flag) -> str:
    # The name of a combination is put together in ways that differ between Python releases; its bits are not.
    return f"enum({_string(type(value).__qualname__)},{int_text(value.value)})"


_KINDS: Final[Mapping[str, Callable[..., str]]] = {
    # By name: a value of a module that nothing has loaded cannot be there, and loading decimal or uuid takes time.
    "builtins.bytes": _bytes,
    "builtins.bytearray": _bytes,
    "builtins.memoryview": _bytes,
    "datetime.datetime": _datetime,
    "datetime.date": _date,
    "datetime.time": _time,
    "datetime.timedelta": _timedelta,
    "decimal.Decimal": _decimal,
    "uuid.UUID": _uuid,
    "enum.Flag": _flag,
    "enum.Enum": _enum,
}


def _plain(value: object, levels: int) -> object:
    if isinstance(value, list | tuple):
        members: Iterable[tuple[object, object]] = enumerate(cast("list[object]", value))
    elif (found := _items(value)) is not None:
        members = found
    else:
        return value
    _descend(levels)
    copied: dict[object, object] = {}
    for key, item in members:
        try:
            copied[key] = _plain(item, levels - 1)
        except _RefusedError as refused:
            refused.tokens.append(_token(key))
            raise
    return list(copied.values()) if isinstance(value, list | tuple) else copied
