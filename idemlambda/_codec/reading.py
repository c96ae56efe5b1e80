"""Reads the values of JSON data that says what it holds (see `tags`), and refuses what is not so."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from idemlambda._codec.tags import MAX_PLACE, DoesNotFit, describe, is_array, is_object, tag_of

if TYPE_CHECKING:
    from pathlib import PurePath

__all__ = ["read"]

ZONE: Final = re.compile(r"[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*")
"""Names of the IANA time zone database, and nothing that could be a path or a module elsewhere."""


def read(stored: object, *, named: bool = False) -> object:
    """The value of JSON data that says what it holds.

    Args:
        stored: The JSON data.
        named: A form that names a declared type does not fit; otherwise it is read as the plain data in it.

    Raises:
        DoesNotFit: A tag is unknown, or its content is wrong.
    """
    if is_array(stored):
        return _read_items(stored, named=named)
    if not is_object(stored):
        return stored
    tag = tag_of(stored)
    if tag is not None:
        return _read_tag(*tag, named=named)
    # Loops, not `walk`: each frame of a nested value counts against the interpreter's limit.
    members: dict[str, object] = {}
    name = ""
    try:
        for name, part in stored.items():
            members[name] = read(part, named=named)
    except DoesNotFit as error:
        error.tokens.append(name)
        raise
    return members


def _read_items(stored: object, *, named: bool) -> list[object]:
    if not is_array(stored):
        raise DoesNotFit(f"{describe(stored)} is stored where a list must be")
    items: list[object] = []
    try:
        for item in stored:
            items.append(read(item, named=named))  # noqa: PERF401 - what is read so far tells where an error was
    except DoesNotFit as error:
        error.tokens.append(str(len(items)))
        raise
    return items


def _read_tag(tag: str, content: object, *, named: bool) -> object:
    if tag == "$plain":
        return read(content)
    if named and tag == "$as":
        raise DoesNotFit("a type of the annotation is stored where plain data is declared")
    if tag not in _STRUCTURES and tag not in _CONTENTS:
        raise DoesNotFit(f"the tag {tag[:MAX_PLACE]} is unknown; a newer release may have written it")
    try:
        return _STRUCTURES[tag](content, named) if tag in _STRUCTURES else _CONTENTS[tag](content)
    except (ValueError, TypeError, LookupError, ArithmeticError, AttributeError, OSError):
        raise DoesNotFit(f"the tag {tag} holds no such value") from None


def _read_pairs(content: object, named: bool) -> dict[object, object]:  # noqa: FBT001 - called by a table
    members: dict[object, object] = {}
    pairs = cast("list[object]", _exactly(content, list))
    token = ""
    try:
        for pair in pairs:
            key, value = cast("list[object]", _exactly(pair, list))
            token = describe(key)
            members[read(key, named=named)] = read(value, named=named)
    except DoesNotFit as error:
        error.tokens.append(token)
        raise
    if len(members) != len(pairs):
        raise ValueError
    return members


def _read_object(content: object, named: bool) -> dict[object, object]:  # noqa: FBT001 - called by a table
    parts = cast("dict[str, object]", content)
    known = {name: read(parts[name], named=named) for name in ("fields", "extra") if name in parts}
    return cast("dict[object, object]", known["fields"]) | cast("dict[object, object]", known.get("extra", {}))


def _read_as(content: object, named: bool) -> object:  # noqa: FBT001 - called by a table
    _, form = cast("list[object]", _exactly(content, list))
    return read(form, named=named)


def _read_int(content: str) -> int:
    return int(content, 16)


def _read_float(content: str) -> float:
    return {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}[content]


def _read_base64(content: str) -> bytes:
    import base64

    return base64.b64decode(content, validate=True)


def _read_str(content: str) -> str:
    return _read_base64(content).decode("utf-8", "surrogatepass")


def _read_bytearray(content: str) -> bytearray:
    return bytearray(_read_base64(content))


def _read_decimal(content: object) -> object:
    from decimal import Decimal

    return Decimal(cast("str", _exactly(content, str)))


def _read_uuid(content: str) -> object:
    from uuid import UUID

    return UUID(content)


def _read_timedelta(content: dict[str, int]) -> timedelta:
    for count in content.values():
        _exactly(count, int)
    return timedelta(**content)


def _read_datetime(content: object) -> datetime:
    return _read_moment(content, datetime.fromisoformat)


def _read_time(content: object) -> time:
    return _read_moment(content, time.fromisoformat)


M = TypeVar("M", datetime, time)


def _read_moment(content: object, parse: Callable[[str], M]) -> M:
    if isinstance(content, str):
        return parse(content)
    notes = dict(cast("dict[str, object]", content))
    moment = parse(cast("str", notes.pop("at")))
    if "zone" in notes:
        moment = moment.replace(tzinfo=_zone(cast("str", notes.pop("zone"))))
    elif "name" in notes:
        offset = cast("timedelta", moment.utcoffset())
        moment = moment.replace(tzinfo=timezone(offset, cast("str", read(notes.pop("name")))))
    if notes not in ({}, {"fold": 1}):
        raise ValueError
    return moment.replace(fold=1) if notes else moment


def _zone(key: str) -> tzinfo:
    from zoneinfo import ZoneInfo

    if not ZONE.fullmatch(key):
        raise ValueError
    return ZoneInfo(key)


def _path_reader(name: str) -> Callable[[object], object]:
    def path(content: object) -> object:
        import pathlib

        return cast("type[PurePath]", getattr(pathlib, name))(cast("str", _exactly(read(content), str)))

    return path


def _exactly(content: object, kind: type) -> object:
    if type(content) is not kind:
        raise TypeError
    return content


_STRUCTURES: Final[Mapping[str, Callable[[object, bool], object]]] = {
    "$tuple": lambda content, named: tuple(_read_items(content, named=named)),
    "$set": lambda content, named: set(_read_items(content, named=named)),
    "$frozenset": lambda content, named: frozenset(_read_items(content, named=named)),
    "$dict": _read_pairs,
    "$object": _read_object,
    "$as": _read_as,
}

_CONTENTS: Final[Mapping[str, Callable[[Any], object]]] = {  # Any: what each cannot read, it raises on
    "$int": _read_int,
    "$float": _read_float,
    "$str": _read_str,
    "$bytes": _read_base64,
    "$bytearray": _read_bytearray,
    "$decimal": _read_decimal,
    "$uuid": _read_uuid,
    "$datetime": _read_datetime,
    "$date": date.fromisoformat,
    "$time": _read_time,
    "$timedelta": _read_timedelta,
    "$path": _path_reader("Path"),
    "$posixpath": _path_reader("PurePosixPath"),
    "$windowspath": _path_reader("PureWindowsPath"),
}
