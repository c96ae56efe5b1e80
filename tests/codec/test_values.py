"""Values of Python's own types, without an annotation."""

from __future__ import annotations

import json
import math
import pathlib
import string
import threading
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from dateutil.tz import tzoffset, tzutc  # type: ignore[import-untyped]  # comes with botocore, without types
from hypothesis import given, settings
from hypothesis import strategies as st

from idemlambda.codec import JsonCodec

Same = Callable[..., None]
BERLIN = ZoneInfo("Europe/Berlin")

OFFSETS = st.builds(timedelta, seconds=st.integers(-86_399, 86_399))
FIXED = st.builds(timezone, OFFSETS) | st.builds(timezone, OFFSETS, st.text(max_size=5))
ZONES = st.none() | FIXED | st.sampled_from([ZoneInfo(key) for key in ("UTC", "Europe/Berlin", "America/St_Johns")])
FOLDS = st.sampled_from([0, 1])
TEXT = st.text() | st.text(st.characters(), max_size=3) | st.sampled_from(["$x", "$tuple", "$plain", "\ud83d\ude00"])
PATHS = st.builds(
    lambda kind, text: kind(text),
    st.sampled_from([pathlib.Path, pathlib.PurePosixPath, pathlib.PureWindowsPath]),
    st.text(string.ascii_letters + "./\\ ", max_size=9),
)


@st.composite
def moments(draw: st.DrawFn) -> datetime:
    """Datetimes with any zone and fold."""
    moment = draw(st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 29)))  # noqa: DTZ001 - the zone comes next
    return moment.replace(tzinfo=draw(ZONES), fold=draw(FOLDS))


HASHABLE = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(10**900), 10**900)
    | st.floats()
    | TEXT
    | st.binary()
    | st.uuids()
    | moments()
    | st.dates()
    | st.builds(lambda moment, zone, fold: moment.replace(tzinfo=zone, fold=fold), st.times(), ZONES, FOLDS)
    | st.timedeltas()
    | PATHS
)
KEYS = HASHABLE.filter(lambda key: key == key) | st.decimals(allow_nan=False)  # noqa: PLR0124 - a NaN is no key
VALUES: st.SearchStrategy[Any] = st.recursive(
    HASHABLE | st.decimals() | st.builds(bytearray, st.binary()),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.sets(KEYS, max_size=4)
        | st.frozensets(KEYS, max_size=4)
        | st.dictionaries(TEXT, inner, max_size=4)
        | st.dictionaries(KEYS, inner, max_size=4)
    ),
    max_leaves=12,
)


@given(VALUES)
@settings(max_examples=400, deadline=None)
def test_a_replay_is_the_first_result_in_value_and_type(same: Same, value: object) -> None:
    """Any value of the supported types comes back the same, deeply: types, signs, zones, folds and order too."""
    same(value)


@given(VALUES)
@settings(max_examples=100, deadline=None)
def test_an_annotation_that_is_wrong_is_not_in_the_way(same: Same, value: object) -> None:
    """A value that is not what is declared replays as it was: an annotation may be wrong, a replay may not."""
    same(value, list[tuple[int, dict[str, str]]])


@pytest.mark.parametrize("value", [0, False, "", [], {}, None, 0.0, -0.0, (), set(), b"", timedelta()])
def test_a_falsy_result_replays_as_itself(same: Same, value: object) -> None:
    """Nothing that is falsy is taken for an absent result (rule 17)."""
    same(value)


@pytest.mark.parametrize(
    "value",
    [
        {"$decimal": "1"},
        {"$plain": 1},
        {"$as": ["x", 1]},
        {"$object": {"fields": {}}},
        {"$": None},
        {"$dict": [[1, 2]]},
        {"a": {"$unknown": [{"$bytes": "!"}]}},
        "$decimal",
        ["$", '"$'],
        {"$a": 1, "$b": 2},
        {"\ud800": 1},
    ],
)
def test_data_that_looks_like_a_tag_is_data(same: Same, value: object) -> None:
    """What a user's data holds is never read as a tag."""
    same(value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"id": 7, "paid": True, "note": "für Zoë"}, '{"id":7,"paid":true,"note":"für Zoë"}'),
        ((1, 2), '{"$tuple":[1,2]}'),
        (Decimal("1.10"), '{"$decimal":"1.10"}'),
        ({1: "a"}, '{"$dict":[[1,"a"]]}'),
        (b"hi", '{"$bytes":"aGk="}'),
        (math.inf, '{"$float":"inf"}'),
        (2**3000, '{"$int":"0x1' + "0" * 750 + '"}'),
        (UUID(int=1), '{"$uuid":"00000000-0000-0000-0000-000000000001"}'),
        (date(2024, 2, 29), '{"$date":"2024-02-29"}'),
        (timedelta(days=1, microseconds=5), '{"$timedelta":{"days":1,"microseconds":5}}'),
        (datetime(2024, 1, 2, tzinfo=UTC), '{"$datetime":"2024-01-02T00:00:00+00:00"}'),
        (
            datetime(2024, 10, 27, 2, 30, tzinfo=BERLIN, fold=1),
            '{"$datetime":{"at":"2024-10-27T02:30:00","zone":"Europe/Berlin","fold":1}}',
        ),
        (time(1, 2, tzinfo=timezone(timedelta(hours=1), "X")), '{"$time":{"at":"01:02:00+01:00","name":"X"}}'),
        (pathlib.Path("a/b"), '{"$path":"a/b"}'),
        (pathlib.PureWindowsPath("a\\b"), '{"$windowspath":"a\\\\b"}'),
    ],
)
def test_the_text_is_for_people_and_for_ever(
    returning: Callable[[object], Callable[..., object]], value: object, text: str
) -> None:
    """Each type's text is fixed: a later release must read what this one wrote."""
    codec = JsonCodec().bind(returning(Any))
    assert codec.encode(value, "ns#1").data == text


def nested(levels: int, wrap: Callable[[object], object]) -> object:
    """A value of so many levels."""
    value: object = 1
    for _ in range(levels):
        value = wrap(value)
    return value


@pytest.mark.parametrize(
    "wrap", [lambda value: [value], lambda value: {"k": value}, lambda value: (value,), lambda value: {1: value}]
)
def test_depth_is_bounded(
    same: Same, returning: Callable[[object], Callable[..., object]], wrap: Callable[[object], object]
) -> None:
    """128 levels of containers replay, and one more is refused before it can exhaust the stack."""
    same(nested(128, wrap))
    with pytest.raises(ValueError, match="deeper than 128 levels"):
        JsonCodec().bind(returning(Any)).encode(nested(129, wrap), "ns#1")


def test_a_value_that_contains_itself_is_refused(returning: Callable[[object], Callable[..., object]]) -> None:
    """A cycle ends at the last level, however often it meets itself."""
    value: list[object] = []
    value += [value, value, value]
    with pytest.raises(ValueError, match="or contains itself"):
        JsonCodec().bind(returning(Any)).encode(value, "ns#1")


def test_a_stack_that_is_nearly_used_up_gives_a_clear_error(
    returning: Callable[[object], Callable[..., object]],
) -> None:
    """Writing deep in the stack raises ValueError, and never RecursionError."""
    codec = JsonCodec().bind(returning(Any))
    value = nested(100, lambda inner: (inner,))

    def descend() -> None:
        codec.encode(value, "ns#1")
        descend()

    with pytest.raises(ValueError, match="what is left of the stack"):
        descend()


@pytest.mark.parametrize("hours", [0, 2])
def test_a_zone_of_another_library_becomes_its_offset(
    returning: Callable[[object], Callable[..., object]], warnings: Callable[[], list[str]], hours: int
) -> None:
    """The instant is the same; a zone that is not UTC is a loss, and said (botocore's UTC is of dateutil)."""
    zone = tzutc() if hours == 0 else tzoffset("X", 3600 * hours)
    moment = datetime(2024, 1, 1, 12, tzinfo=zone)
    codec = JsonCodec().bind(returning(Any))
    again = codec.decode(codec.encode(moment, "ns#1"), "ns#1")
    assert again == moment
    assert again == datetime(2024, 1, 1, 12 - hours, tzinfo=UTC)
    assert len(warnings()) == (hours != 0)


class Own:
    """A type of the user's that holds nothing to store."""


class OwnZone(tzinfo):
    """A zone that knows no offset."""

    def utcoffset(self, _moment: datetime | None) -> timedelta | None:
        return None

    def dst(self, _moment: datetime | None) -> timedelta | None:
        return None

    def tzname(self, _moment: datetime | None) -> str | None:
        return None


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (object(), r"^the result cannot be stored: at the value itself, an object cannot be stored$"),
        ({"items": [{"lock": threading.Lock()}]}, r"at /items/0/lock, a _thread\.lock cannot"),
        ({"a/b": (1, {2: (character for character in "ab")})}, r"at /a~1b/1/<int>, a generator cannot"),
        ({"k" * 500: Own()}, r"at /k{198}…, a .*test_values\.Own cannot"),
        ({("x", threading.Lock()): 1}, r"at /<tuple>/1, a _thread\.lock cannot"),
        (datetime(2024, 1, 1, tzinfo=OwnZone()), r"a time in a .*OwnZone without an offset cannot"),
        (memoryview(b"x"), "a memoryview cannot"),
    ],
)
def test_what_cannot_be_stored_is_named(
    returning: Callable[[object], Callable[..., object]], value: object, message: str
) -> None:
    """What cannot be stored is a TypeError that names the place and the type."""
    with pytest.raises(TypeError, match=message):
        JsonCodec().bind(returning(Any)).encode(value, "ns#1")


def test_plain_results_are_plain_json(returning: Callable[[object], Callable[..., object]]) -> None:
    """A result of JSON's own types is the text that any JSON reader gives back."""
    value = {"statusCode": 200, "body": json.dumps({"id": 1}), "list": [1.5, None, True, "ü"]}
    body = JsonCodec().bind(returning(Any)).encode(value, "ns#1")
    assert json.loads(str(body.data)) == value
