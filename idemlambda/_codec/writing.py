"""Writes values as JSON data that says what it holds (see `tags`)."""

from __future__ import annotations

import math
import operator
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields, is_dataclass
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, cast

from idemlambda._codec.tags import MAX_DEPTH, SEQUENCES, Pen, Unstorable, descend, name_of, tag_of, walk, with_article

if TYPE_CHECKING:
    from decimal import Decimal
    from pathlib import PurePath
    from uuid import UUID

__all__ = ["MAX_BITS", "as_base", "base_of", "is_model", "write", "write_members", "write_sequence"]

MAX_BITS: Final = 2_100
"""Longer integers are written in hexadecimal: 640 digits is the lowest limit that Python can be set to for decimals."""


def write(value: object, pen: Pen, levels: int = MAX_DEPTH) -> object:  # noqa: PLR0911 - one line a kind
    """A value as JSON data that says what it holds.

    Raises:
        Unstorable: A part of it is of a type that cannot be written.
        ValueError: It is nested deeper than `levels`.
        DoesNotFit: Something would be lost, and the pen is strict.
    """
    kind = type(value)
    if kind is str:
        return as_text(cast("str", value))
    if value is None or kind is bool:
        return value
    if kind is int:
        return value if cast("int", value).bit_length() <= MAX_BITS else {"$int": hex(cast("int", value))}
    if kind is float:
        return value if math.isfinite(cast("float", value)) else {"$float": repr(value)}
    if kind is dict:
        members, inner = cast("dict[object, object]", value), descend(levels)

        def visit(part: object) -> object:
            return write(part, pen, inner)

        return write_members(members, visit, visit)
    if kind in SEQUENCES:
        inner = descend(levels)
        return write_sequence(cast("Iterable[object]", value), lambda part: write(part, pen, inner))
    return _write_other(value, pen, levels)


def as_text(text: str) -> object:
    """A str; one with lone surrogates, which no UTF-8 holds, as base64."""
    if _is_unicode(text):
        return text
    return {"$str": _base64(text.encode("utf-8", "surrogatepass"))}


def write_sequence(items: Iterable[object], visit: Callable[[object], object]) -> object:
    """A list, tuple, set or frozenset, each item as `visit` writes it."""
    parts = walk(items, visit)
    tag = SEQUENCES[type(items)]
    return {tag: parts} if tag else parts


def write_members(
    members: dict[object, object], visit_key: Callable[[object], object], visit: Callable[[object], object]
) -> object:
    """A dict, each part as the two write it; as pairs where it would be no JSON object, or look like a tag."""
    tokens = [key if isinstance(key, str) else f"<{type(key).__name__}>" for key in members]
    keys = walk(members, visit_key, tokens)
    values = walk(members.values(), visit, tokens)
    if all(map(operator.is_, keys, members)):  # Then each is a str that is written as itself.
        written = cast("dict[str, object]", dict(zip(keys, values, strict=True)))
        if all(type(key) is str for key in keys) and tag_of(written) is None:
            return written
    return {"$dict": [list(pair) for pair in zip(keys, values, strict=True)]}


def _is_unicode(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _write_other(value: object, pen: Pen, levels: int) -> object:
    kind = type(value)
    if writer := _leaf(kind):
        return writer(value, pen)
    plain = _plain(value)
    if plain is not None:
        pen.lose(f"a {name_of(kind)}, which replays as the plain data in it{DECLARE}")
        return write(plain[0], pen, levels)
    for base in kind.__mro__[1:]:
        if writer := _leaf(base):
            pen.lose(f"a {name_of(kind)}, which replays as a {name_of(base)}{DECLARE}")
            return writer(value, pen)
    raise Unstorable(f"{with_article(name_of(kind))} cannot be stored")


def _plain(value: object) -> tuple[object] | None:
    """The plain data in a value of a user's type; None where there is none."""
    if isinstance(value, Enum):
        return (value.value,)
    if is_dataclass(value) and not isinstance(value, type):
        return ({field.name: getattr(value, field.name) for field in fields(value) if hasattr(value, field.name)},)
    if is_model(type(value)):
        extra = cast("dict[str, object] | None", getattr(value, "__pydantic_extra__", None))
        declared = cast("dict[str, object]", getattr(type(value), "model_fields", {}))
        return ({name: item for name, item in vars(value).items() if name in declared} | (extra or {}),)
    return (as_base(value),) if base_of(type(value)) is not None else None


DECLARE: Final = "; declare that it is returned, and a replay gives it back"
"""What to do about a type that nothing declares."""

BASES: Final[Mapping[type, Callable[[Any], object]]] = {  # Any: each takes its own type
    str: str.__str__,
    int: int.__index__,
    float: float.__float__,
    dict: dict,
    list: list,
    tuple: tuple,
    set: set,
    frozenset: frozenset,
    bytes: bytes,
    bytearray: bytearray,
}
"""Subclasses of these are written as what they are made of."""


def base_of(kind: type) -> type | None:
    """The plain type that a type is a subclass of, if any."""
    return next((base for base in kind.__mro__[1:] if base in BASES), None)


def as_base(value: object) -> object:
    """A value of a subclass of a plain type, as that type."""
    base = base_of(type(value))
    return value if base is None else cast("Callable[[object], object]", BASES[base])(value)


def is_model(kind: type) -> bool:
    """Whether a type is a pydantic model (2.x); pydantic is not imported to find out."""
    pydantic = sys.modules.get("pydantic")
    return pydantic is not None and issubclass(kind, cast("type", pydantic.BaseModel))


def _base64(content: bytes | bytearray) -> str:
    import base64

    return base64.b64encode(content).decode()


def _write_datetime(value: datetime, pen: Pen) -> object:
    return {"$datetime": _moment(value.replace(tzinfo=None), value.tzinfo, value.utcoffset(), pen)}


def _write_time(value: time, pen: Pen) -> object:
    return {"$time": _moment(value.replace(tzinfo=None), value.tzinfo, value.utcoffset(), pen)}


def _moment(local: datetime | time, zone: tzinfo | None, offset: timedelta | None, pen: Pen) -> object:
    """A local time and its zone: an IANA zone by its key, a fixed one by its offset, and its name if it has one."""
    notes: dict[str, object] = {}
    text = local.isoformat()
    if zone is not None and name_of(type(zone)) == "zoneinfo.ZoneInfo" and (key := str(getattr(zone, "key", "") or "")):
        notes["zone"] = key
    elif zone is not None:
        if offset is None:
            raise Unstorable(f"a time in a {name_of(type(zone))} without an offset cannot be stored")
        fixed = timezone(offset)
        text = local.replace(tzinfo=fixed).isoformat()
        if type(zone) is not timezone:
            if offset:  # A UTC of another library (botocore's times have dateutil's) is UTC all the same.
                pen.lose(f"a time in a {name_of(type(zone))}, which replays with its UTC offset")
        elif (name := zone.tzname(None)) != fixed.tzname(None):
            notes["name"] = as_text(name)
    if local.fold:
        notes["fold"] = 1
    return {"at": text, **notes} if notes else text


def _write_timedelta(value: timedelta, _pen: Pen) -> object:
    units = {"days": value.days, "seconds": value.seconds, "microseconds": value.microseconds}
    return {"$timedelta": {unit: count for unit, count in units.items() if count}}


def _leaf(kind: type) -> Callable[[Any, Pen], object] | None:
    """The writer of a type that holds no others; None where there is none, as for a user's own subclass."""
    # Paths by their module's name too, which has been a package's since Python 3.13.
    return _write_path if kind.__module__.partition(".")[0] == "pathlib" else _LEAVES.get(name_of(kind))


def _write_path(value: PurePath, _pen: Pen) -> object:
    kind = next((name for base in type(value).__mro__ if (name := base.__name__) in _PATHS), "PurePosixPath")
    return {_PATHS[kind]: as_text(str(value))}


_PATHS: Final = {"Path": "$path", "PurePosixPath": "$posixpath", "PureWindowsPath": "$windowspath"}


def _write_bytes(value: bytes, _pen: Pen) -> object:
    return {"$bytes": _base64(value)}


def _write_bytearray(value: bytearray, _pen: Pen) -> object:
    return {"$bytearray": _base64(value)}


def _write_date(value: date, _pen: Pen) -> object:
    return {"$date": date.isoformat(value)}


def _write_decimal(value: Decimal, _pen: Pen) -> object:
    return {"$decimal": str(value)}


def _write_uuid(value: UUID, _pen: Pen) -> object:
    return {"$uuid": str(value)}


_LEAVES: Final[Mapping[str, Callable[[Any, Pen], object]]] = {  # Any: each takes its own type
    # By name: a value of a module that nothing has loaded cannot be there, and loading decimal or uuid takes time.
    "bytes": _write_bytes,
    "bytearray": _write_bytearray,
    "datetime.datetime": _write_datetime,
    "datetime.date": _write_date,
    "datetime.time": _write_time,
    "datetime.timedelta": _write_timedelta,
    "decimal.Decimal": _write_decimal,
    "uuid.UUID": _write_uuid,
}
