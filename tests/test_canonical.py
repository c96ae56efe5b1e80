from __future__ import annotations

import dataclasses
import enum
import json
import pathlib
import struct
import subprocess
import sys
import uuid
from collections import ChainMap, OrderedDict, namedtuple
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from functools import cached_property
from itertools import combinations
from types import MappingProxyType
from zoneinfo import ZoneInfo

import pydantic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idemlambda import canonical as room
from idemlambda.canonical import MAX_DEPTH, MAX_POINTER, canonical, members, plain, pointer, shown
from idemlambda.errors import KeyInvalid

# RFC 8785, section 3.2.2: the input as it is printed there, and its canonical form.
RFC_EXAMPLE = r"""{
  "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
  "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
  "literals": [null, true, false]
}"""
RFC_EXAMPLE_CANONICAL = (
    '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],'
    '"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
)

# RFC 8785, section 3.2.3: names, and the order in which their values come out.
RFC_NAMES = r"""{
  "\u20ac": "Euro Sign",
  "\r": "Carriage Return",
  "\ufb33": "Hebrew Letter Dalet With Dagesh",
  "1": "One",
  "\ud83d\ude00": "Emoji: Grinning Face",
  "\u0080": "Control",
  "\u00f6": "Latin Small Letter O With Diaeresis"
}"""
RFC_ORDER = [
    "Carriage Return",
    "One",
    "Control",
    "Latin Small Letter O With Diaeresis",
    "Euro Sign",
    "Emoji: Grinning Face",
    "Hebrew Letter Dalet With Dagesh",
]

# RFC 8785, appendix B: the bits of an IEEE 754 double, and its text; None where it is refused.
RFC_NUMBERS = [
    ("0000000000000000", "0"),
    ("8000000000000000", "0"),
    ("0000000000000001", "5e-324"),
    ("8000000000000001", "-5e-324"),
    ("7fefffffffffffff", "1.7976931348623157e+308"),
    ("ffefffffffffffff", "-1.7976931348623157e+308"),
    ("4340000000000000", "9007199254740992"),
    ("c340000000000000", "-9007199254740992"),
    ("4430000000000000", "295147905179352830000"),
    ("7fffffffffffffff", None),
    ("7ff0000000000000", None),
    ("44b52d02c7e14af5", "9.999999999999997e+22"),
    ("44b52d02c7e14af6", "1e+23"),
    ("44b52d02c7e14af7", "1.0000000000000001e+23"),
    ("444b1ae4d6e2ef4e", "999999999999999700000"),
    ("444b1ae4d6e2ef4f", "999999999999999900000"),
    ("444b1ae4d6e2ef50", "1e+21"),
    ("3eb0c6f7a0b5ed8c", "9.999999999999997e-7"),
    ("3eb0c6f7a0b5ed8d", "0.000001"),
    ("41b3de4355555553", "333333333.3333332"),
    ("41b3de4355555554", "333333333.33333325"),
    ("41b3de4355555555", "333333333.3333333"),
    ("41b3de4355555556", "333333333.3333334"),
    ("41b3de4355555557", "333333333.33333343"),
    ("becbf647612f3696", "-0.0000033333333333333333"),
    ("43143ff3c1cb0959", "1424953923781206.2"),
]

BERLIN = ZoneInfo("Europe/Berlin")


class Colour(enum.Enum):
    RED = enum.auto()
    GREEN = enum.auto()
    ROUGE = RED


class Size(enum.Enum):
    RED = 1


class Word(enum.StrEnum):
    RED = "red"


class Mixed(str, enum.Enum):  # noqa: UP042 - its `str()` is its name: the value must be taken nevertheless
    RED = "red"


class Number(enum.IntEnum):
    ONE = 1
    HUGE = 2**53 + 1


class Access(enum.Flag):
    READ = 1
    WRITE = 4


@dataclasses.dataclass
class Deposit:
    amount: int
    note: object = None


@dataclasses.dataclass
class Withdrawal:
    amount: int
    note: object = None


@dataclasses.dataclass(eq=False, frozen=True)
class Loose:
    name: str


class Line(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="allow")

    sku: str
    secret: int = pydantic.Field(default=7, exclude=True)

    @cached_property
    def label(self) -> str:
        return self.sku.upper()


class Basket(pydantic.BaseModel):
    lines: list[Line]


Point = namedtuple("Point", "x y")  # noqa: PYI024 - the untyped kind is the one under test

# Each line holds values that have one form; no two lines share theirs.
FORMS: list[tuple[str, list[object]]] = [
    ("null", [None]),
    ("true", [True]),
    ("false", [False]),
    ("0", [0, 0.0, -0.0]),
    ("1", [1, 1.0, Number.ONE]),
    ("1e+21", [10**21, 1e21]),
    ("1e+30", [1e30, int(1e30)]),
    ("1.1", [1.1]),
    ('"1"', ["1"]),
    ('"1.1"', ["1.1"]),
    ('"red"', ["red", Word.RED, Mixed.RED]),
    ('"é"', ["\u00e9"]),
    ('"e\u0301"', ["e\u0301"]),
    ("[]", [[], ()]),
    ("[1,2]", [[1, 2], (1, 2.0), Point(1, 2)]),
    ("[[1],2]", [[[1], 2], ((1,), 2)]),
    ("{}", [{}, OrderedDict(), MappingProxyType({})]),
    ('{"a":1,"b":2}', [{"b": 2, "a": 1}, OrderedDict(a=1, b=2), ChainMap({"a": 1}, {"b": 2})]),
    ('{"1":0}', [{"1": 0}]),
    ("{1:0}", [{1: 0}, {1.0: 0}]),
    ("{true:0}", [{True: 0}]),
    ("{null:0}", [{None: 0}]),
    ('{"b":0,[1,2]:0}', [{(1, 2): 0, "b": 0}]),
    ('{decimal("1e0"):0}', [{Decimal("1.0"): 0}]),
    ('int("0x20000000000001")', [2**53 + 1, Number.HUGE]),
    ('int("-0x20000000000001")', [-(2**53) - 1]),
    ("1152921504606847000", [2.0**60, 2**60]),
    ('int("0xffffffffffffff8")', [1152921504606846968]),
    ('bytes("")', [b"", bytearray()]),
    ('bytes("6869")', [b"hi", bytearray(b"hi"), memoryview(b"hi")]),
    ("set()", [set(), frozenset()]),
    ('set("a","b",1)', [{1, "b", "a"}, frozenset(["a", "b", 1.0])]),
    ("set([1,2])", [{(1, 2)}]),
    ('decimal("0")', [Decimal(0), Decimal("-0.00"), Decimal("0E+9")]),
    ('decimal("1e0")', [Decimal(1), Decimal("1.00")]),
    ('decimal("11e-1")', [Decimal("1.1"), Decimal("1.10")]),
    ('decimal("-15e2")', [Decimal(-1500), Decimal("-1.5e3")]),
    ("instant(1704106800000000)", [datetime(2024, 1, 1, 11, tzinfo=UTC), datetime(2024, 1, 1, 12, tzinfo=BERLIN)]),
    ("instant(-62135647200000000)", [datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14)))]),
    ('datetime("2024-01-01T12:00:00")', [datetime(2024, 1, 1, 12)]),  # noqa: DTZ001 - a naive one is meant
    ('date("2024-01-01")', [date(2024, 1, 1)]),
    ('time("12:00:00")', [time(12)]),
    ('time("12:00:00+00:00")', [time(12, tzinfo=UTC)]),
    ("timedelta(60000000)", [timedelta(minutes=1)]),
    ("timedelta(-1)", [timedelta(microseconds=-1)]),
    ('uuid("12345678-1234-5678-1234-567812345678")', [uuid.UUID("12345678123456781234567812345678")]),
    ('path("a/b")', [pathlib.PurePosixPath("a/b"), pathlib.Path("a") / "b"]),
    ('enum("Colour","RED")', [Colour.RED, Colour.ROUGE]),
    ('enum("Colour","GREEN")', [Colour.GREEN]),
    ('enum("Size","RED")', [Size.RED]),
    ('enum("Access",5)', [Access.READ | Access.WRITE]),
    ('enum("Access",0)', [Access(0)]),
    ('object("Deposit",{"amount":1,"note":[null]})', [Deposit(1, (None,))]),
    ('object("Withdrawal",{"amount":1,"note":[null]})', [Withdrawal(1, [None])]),
    (
        'object("Basket",{"lines":[object("Line",{"secret":7,"sku":"a"})]})',
        [Basket(lines=[Line(sku="a")])],
    ),
    (
        'object("Line",{"colour":"red","secret":7,"sku":"a"})',
        [Line.model_validate({"sku": "a", "colour": "red"})],
    ),
    ('{"$decimal":"11e-1"}', [{"$decimal": "11e-1"}]),
    ('"decimal(\\"11e-1\\")"', ['decimal("11e-1")']),
]


def test_rfc_8785_example() -> None:
    """The example of RFC 8785, section 3.2.2, comes out byte for byte."""
    assert canonical(json.loads(RFC_EXAMPLE)).decode() == RFC_EXAMPLE_CANONICAL


def test_rfc_8785_order() -> None:
    """Names are sorted by UTF-16 code units: the emoji, a surrogate pair, before U+FB33 (RFC 8785, section 3.2.3)."""
    text = canonical(json.loads(RFC_NAMES)).decode()
    assert list(json.loads(text).values()) == RFC_ORDER


@pytest.mark.parametrize(("bits", "text"), RFC_NUMBERS)
def test_rfc_8785_numbers(bits: str, text: str | None) -> None:
    """The number samples of RFC 8785, appendix B, come out as they do there; NaN and infinity are refused."""
    (number,) = struct.unpack(">d", bytes.fromhex(bits))
    if text is None:
        with pytest.raises(KeyInvalid, match="no JSON number"):
            canonical(number)
    else:
        assert canonical(number).decode() == text


@pytest.mark.parametrize(("text", "values"), FORMS, ids=[text[:40] for text, _ in FORMS])
def test_forms(text: str, values: list[object]) -> None:
    """Each kind has the form that the module's table gives it, and equal values share it."""
    assert [canonical(value).decode() for value in values] == [text] * len(values)


def test_no_two_kinds_share_a_form() -> None:
    """The forms in the table are all different, alone and as members of a container."""
    firsts = [values[0] for _, values in FORMS]
    for wrap in (lambda value: value, lambda value: [value], lambda value: {"a": value}):
        forms = [canonical(wrap(value)) for value in firsts]
        assert len(set(forms)) == len(forms)


def test_huge_integers_are_exact() -> None:
    """An integer beyond every float, and beyond Python's limit for decimal text, still has its own form."""
    assert canonical(10**5000) != canonical(10**5000 + 1)
    assert canonical(10**5000).startswith(b'int("0x')


def test_cached_properties_leave_no_trace() -> None:
    """A model has one form before and after a cached property was read."""
    line = Line(sku="a")
    before = canonical(line)
    assert line.label == "A"
    assert canonical(line) == before


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"a": [1, float("nan")]}, ["/a/1", "nan"]),
        ([float("-inf")], ["/0", "-inf"]),
        (float("inf"), ["the value itself", "inf"]),
        ({"a": Decimal("NaN")}, ["/a", "NaN"]),
        ({"a": Decimal("sNaN")}, ["/a", "sNaN"]),
        ([Decimal("-Infinity")], ["/0", "-Infinity"]),
        ({"a": {"b": "x\ud800y"}}, ["/a/b", "U+D800"]),
        ({"a\udfff": 1}, ["/a\\udfff", "U+DFFF"]),
        ({"a": object()}, ["/a", "a object is not JSON-like"]),
        ({"a": {1j: 1}}, ["because of /a:", "keys", "complex"]),
        ({"x": {(1, 2): object()}}, ["/x/[1,2]", "object"]),
        ({"a/b": {"~": iter([])}}, ["/a~1b/~0", "list_iterator"]),
        (Deposit, ["the value itself", "type"]),
        (Line, ["the value itself", "ModelMetaclass"]),
        (Deposit(1, note=[subprocess.PIPE, sys]), ["/note/1", "module"]),
        ({"a": {Loose("x"): 1, Loose("x"): 2}}, ["/a", "two keys"]),
        ({"a": {("x", object)}}, ["/a", "type"]),
        (Basket(lines=[Line.model_validate({"sku": "a", "more": Fraction(1, 2)})]), ["/lines/0/more", "Fraction"]),
    ],
)
def test_refusals(value: object, words: list[str]) -> None:
    """What has no canonical form is refused with its place, as a JSON pointer, and what it is."""
    with pytest.raises(KeyInvalid) as refused:
        canonical(value)
    assert [word for word in words if word not in str(refused.value)] == []
    str(refused.value).encode()


def test_messages_are_bounded() -> None:
    """A long name does not flood a message, and the value at fault is not in it."""
    with pytest.raises(KeyInvalid) as refused:
        canonical({"n" * 10_000: {"s" * 10: object()}})
    assert len(str(refused.value)) < MAX_POINTER + 150


def nested(levels: int, kind: str) -> object:
    """A value of so many levels, all of one kind."""
    value: object = 1
    for _ in range(levels):
        value = {"list": [value], "tuple": (value,), "dict": {"a": value}, "object": Deposit(1, value)}[kind]
    return value


@pytest.mark.parametrize("kind", ["list", "tuple", "dict", "object"])
def test_depth(kind: str) -> None:
    """128 levels are written and made plain; one more, or 5,000, end in a clear error and never in a RecursionError."""
    assert canonical(nested(MAX_DEPTH, kind))
    plain(nested(MAX_DEPTH, kind))
    for levels in (MAX_DEPTH + 1, 5_000):
        for function in (canonical, plain):
            with pytest.raises(KeyInvalid, match="deeper than 128 levels"):
                function(nested(levels, kind))


def test_depth_of_sets() -> None:
    """Sets count as levels like any container."""
    value: frozenset[object] = frozenset()
    for _ in range(MAX_DEPTH):
        value = frozenset([value])
    with pytest.raises(KeyInvalid, match="deeper than 128 levels"):
        canonical(value)


def test_cycles_end() -> None:
    """A structure that contains itself, twice at every level, ends as one that is too deep."""
    array: list[object] = []
    array += [array, array]
    mapping: dict[str, object] = {}
    mapping |= {"a": mapping, "b": [mapping]}
    for value in (array, mapping, (array, mapping), {"a": Deposit(1, array)}):
        for function in (canonical, plain):
            with pytest.raises(KeyInvalid, match="contains itself"):
                function(value)


def test_plain() -> None:
    """Mappings and fields become dicts, tuples lists; anything else stays, and plain data is not copied."""
    event = {"a": [1, 2.0, None, "x"], "b": {"c": True}}
    assert plain(event) is event
    when = datetime(2024, 1, 1, tzinfo=UTC)
    given_value = {
        "tuple": (1, {"a": (2,)}),
        "mapping": MappingProxyType({"x": Point(1, 2)}),
        "object": Deposit(1, note={"n": (1,)}),
        "model": Basket(lines=[Line(sku="a")]),
        "other": [when, Decimal(1), {1, 2}],
        1: "key",
    }
    assert plain(given_value) == {
        "tuple": [1, {"a": [2]}],
        "mapping": {"x": [1, 2]},
        "object": {"amount": 1, "note": {"n": [1]}},
        "model": {"lines": [{"sku": "a", "secret": 7}]},
        "other": [when, Decimal(1), {1, 2}],
        1: "key",
    }
    assert plain(when) is when


def test_members() -> None:
    """The parts of a container come in canonical order with their pointer tokens; a value without parts has none."""
    assert members({"b": 1, "a": 2, 3: 3}) == [("a", 2), ("b", 1), ("3", 3)]
    assert members(("x", "y")) == [("0", "x"), ("1", "y")]
    assert members(Deposit(1, 2)) == [("amount", 1), ("note", 2)]
    assert members([]) == []
    assert members("text") is None
    assert members({1, 2}) is None
    with pytest.raises(KeyInvalid, match="one of its keys"):
        members({object(): 1})


@pytest.mark.parametrize(
    ("tokens", "text"), [([], ""), (["a", "0"], "/a/0"), (["a/b", "m~n", ""], "/a~1b/m~0n/"), (["~1"], "/~01")]
)
def test_pointers(tokens: list[str], text: str) -> None:
    """A pointer is escaped as RFC 6901 says; for a message it is cut where it grows too long."""
    assert pointer(tokens) == shown(text) == text
    assert len(shown(pointer([*tokens, "x" * 1_000]))) == MAX_POINTER


def test_nothing_heavy_is_loaded() -> None:
    """The room loads neither decimal, uuid and pathlib nor any package: it tells kinds by name."""
    heavy = "{'decimal', '_decimal', 'uuid', 'pathlib', 'pydantic', 'jmespath', 'asyncio', 'email', 'boto3'}"
    script = (
        f"import sys; before = set(sys.modules); import idemlambda.keys; print({heavy} & set(sys.modules) - before)"
    )
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)  # noqa: S603 - our own interpreter
    assert loaded.stdout.strip() == "set()"


# Few values, so that equal ones meet often; each kind is there with neighbours that look like it.
SCALARS: list[object] = [
    *[None, True, False, 0, 1, 2, 0.0, -0.0, 1.0, 0.5, "", "0", "1", "true", "null", "[]", b"", b"1", "a", "\ue000"],
    *[2**53, 2**53 + 1, 2.0**53, 1e21, 10**21, 2**60, 1152921504606847000, "\U0001f600", Decimal(1), Decimal("1.0")],
    *[Decimal("0.5"), date(2024, 1, 1), "2024-01-01", Colour.RED, Size.RED, Access.READ, timedelta(1), timedelta(0)],
]
NAMES = st.sampled_from(["", "a", "b", "$", "1", "\ue000", "\U0001f600", 1, 1.0, True, None, Decimal(1)])
VALUES = st.recursive(
    st.sampled_from(SCALARS),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.lists(inner, max_size=2).map(tuple)
        | st.dictionaries(NAMES, inner, max_size=2)
        | st.sets(st.sampled_from(["", "a", 1, b"1"]), max_size=2)
        | st.builds(Deposit, st.sampled_from([0, 1]), inner)
        | st.builds(Withdrawal, st.sampled_from([0, 1]), inner)
    ),
    max_leaves=4,
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=20,
)


def meaning(value: object) -> object:  # noqa: PLR0911 - one line a kind
    """What a value means, told by Python's own equality: an oracle that knows nothing of text."""
    if isinstance(value, bool | str | bytes | date | timedelta | enum.Enum) or value is None:
        return type(value), value
    if isinstance(value, int | float):
        return "number", Fraction(value)
    if isinstance(value, Decimal):
        return "decimal", Fraction(value)
    if isinstance(value, list | tuple):
        return "array", tuple(map(meaning, value))
    if isinstance(value, set):
        return "set", frozenset(map(meaning, value))
    if isinstance(value, dict):
        return "object", frozenset((meaning(key), meaning(item)) for key, item in value.items())
    assert isinstance(value, Deposit | Withdrawal)
    return type(value), meaning(value.amount), meaning(value.note)


@settings(max_examples=300, deadline=None)
@given(st.lists(VALUES, min_size=2, max_size=12))
def test_injective(values: list[object]) -> None:
    """Two values have one form exactly if they mean the same: 1 is 1.0, a tuple is a list, and nothing else meets."""
    for one, other in combinations(values, 2):
        assert (canonical(one) == canonical(other)) == (meaning(one) == meaning(other))


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.text(max_size=3), JSON, max_size=6), st.integers(min_value=0))
def test_order_of_members_does_not_count(mapping: dict[str, object], turn: int) -> None:
    """A mapping has one form, in whatever order its members were put in."""
    names = list(mapping)
    start = turn % (len(names) or 1)
    names = [*names[start:], *names[:start]][:: 1 if turn % 2 else -1]
    assert canonical({name: mapping[name] for name in names}) == canonical(mapping)


@settings(max_examples=300, deadline=None)
@given(JSON)
def test_fast_path_changes_nothing(value: object) -> None:
    """Where the C encoder is used, it writes the bytes that the room's own encoder writes."""
    assert canonical(value) == room._encode(value, MAX_DEPTH).encode()


@settings(max_examples=300, deadline=None)
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_floats_read_back(number: float) -> None:
    """The text of a float is that float again, and no longer than Python's."""
    text = canonical(number).decode()
    assert float(text) == number
    assert len(text.replace("+", "")) <= max(len(repr(number)), 24)


@settings(max_examples=200, deadline=None)
@given(JSON)
def test_json_stays_json(value: object) -> None:
    """A JSON value whose integers are floats as well is written as JSON, and reads back as itself."""
    text = canonical(value).decode()
    if 'int("' not in text:
        assert json.loads(text, parse_int=float) == value
