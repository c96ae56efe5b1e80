"""A replay, and what it means to be the same."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from datetime import datetime, time
from typing import Any

import pytest
from pydantic import BaseModel

from idemlambda.codec import JsonCodec


def returning(hint: object) -> Callable[..., object]:
    """A function that declares to return `hint`."""

    def function() -> None: ...

    function.__annotations__ = {"return": hint}
    return function


def replay(value: object, hint: object = Any) -> object:
    """The value as a retry gets it from the record, in another process: nothing is shared between the two codecs."""
    body = JsonCodec().bind(returning(hint)).encode(value, "ns#1")
    assert body.encoding is None
    assert isinstance(body.data, str)
    assert body.data.encode()
    return JsonCodec().bind(returning(hint)).decode(body, "ns#1")


def parts(value: Any) -> object:  # noqa: PLR0911 - one line a kind
    """What a value holds, for a comparison that equality does not make: types, signs, zones, order, private state."""
    kind = type(value)
    if kind is float:
        return value.hex()
    if isinstance(value, datetime | time):
        return value.replace(tzinfo=None), value.fold, value.utcoffset(), value.tzname(), str(value.tzinfo)
    if isinstance(value, BaseModel):
        private = value.__pydantic_private__
        state = [value.__dict__, value.model_fields_set, value.__pydantic_extra__, private]
        return [outline(part) for part in state]
    if is_dataclass(value):
        return [outline(getattr(value, field.name)) for field in fields(value)], outline(getattr(value, "__dict__", {}))
    if isinstance(value, dict):
        return [(outline(key), outline(item)) for key, item in value.items()]
    if isinstance(value, set | frozenset):
        return sorted(repr(outline(item)) for item in value)
    if isinstance(value, list | tuple):
        return [outline(item) for item in value]
    return repr(value)


def outline(value: object) -> object:
    """A value as its type and what it holds, all the way down."""
    return type(value), parts(value)


@pytest.fixture(name="replay", scope="session")
def replay_fixture() -> Callable[..., object]:
    """See `replay`."""
    return replay


@pytest.fixture(name="returning", scope="session")
def returning_fixture() -> Callable[[object], Callable[..., object]]:
    """See `returning`."""
    return returning


@pytest.fixture(scope="session")
def same() -> Callable[..., None]:
    """Asserts that a replay is the same as the first result."""

    def check(value: object, hint: object = Any) -> None:
        assert outline(replay(value, hint)) == outline(value)

    return check


@pytest.fixture
def warnings(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """What was logged as a warning."""
    caplog.set_level(logging.WARNING, logger="idemlambda")
    return lambda: [record.getMessage() for record in caplog.records]
