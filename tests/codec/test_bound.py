"""How a codec finds what its function declares, and what it refuses to read."""

from __future__ import annotations

import contextlib
import enum
import functools
import ipaddress
import json
import subprocess
import sys
import threading
import types
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypedDict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict

from idemlambda.codec import JsonCodec
from idemlambda.errors import RecordUnreadable
from idemlambda.ports import BoundCodec, Codec
from idemlambda.record import Body

if TYPE_CHECKING:
    from somewhere import Context  # type: ignore[import-not-found]  # for type checkers only, as people write it

Returning = Callable[[object], Callable[..., object]]


@dataclass
class Receipt:
    total: Decimal


def plain(_event: object, _context: Context) -> Receipt:
    """A handler whose parameters name what is not there at run time."""
    raise NotImplementedError


async def awaited() -> Receipt:
    """A coroutine function."""
    raise NotImplementedError


def quoted() -> "list[Receipt | None]":  # noqa: UP037 - a string within a string
    """A function with a string for an annotation."""
    raise NotImplementedError


def awaitable() -> Awaitable[Receipt]:
    """A function that hands on an awaitable."""
    raise NotImplementedError


def coroutine() -> Coroutine[Any, Any, Receipt]:
    """A function that hands on a coroutine."""
    raise NotImplementedError


@functools.wraps(plain)
def wrapped(*_args: object) -> object:
    """A decorator's wrapper."""
    raise NotImplementedError


class Service:
    def method(self) -> Receipt:
        raise NotImplementedError

    @classmethod
    def made(cls) -> Receipt:
        raise NotImplementedError

    @staticmethod
    def static() -> Receipt:
        raise NotImplementedError


class Callable_:  # noqa: N801 - Callable is taken
    def __call__(self) -> Receipt:
        raise NotImplementedError


class Heir(Callable_):
    pass


@pytest.mark.parametrize(
    "function",
    [
        plain,
        awaited,
        awaitable,
        coroutine,
        wrapped,
        functools.partial(plain, None),
        functools.partial(functools.partial(wrapped)),
        functools.partialmethod(plain),
        Service().method,
        Service.made,
        Service.static,
        Callable_(),
        Heir(),
        functools.partial(Callable_()),
        functools.lru_cache(plain),
        Receipt,
    ],
)
def test_the_annotation_is_found_through_what_is_around_a_function(function: Callable[..., object]) -> None:
    """Wrappers, partials, methods, callable objects, classes and coroutines lead to the declared result."""
    codec = JsonCodec().bind(function)
    assert codec.decode(codec.encode(Receipt(Decimal("1.10")), "ns#1"), "ns#1") == Receipt(Decimal("1.10"))


def test_a_string_annotation_is_resolved() -> None:
    """Forward references and strings mean what they mean where the function stands."""
    codec = JsonCodec().bind(quoted)
    value = [Receipt(Decimal(1)), None]
    assert codec.decode(codec.encode(value, "ns#1"), "ns#1") == value


def test_local_classes_are_found() -> None:
    """A class of the function around is known by what the function closes over, and to itself."""

    @dataclass
    class Local:
        inner: Local | None = None

    def function() -> Local:
        return Local(late)

    codec = JsonCodec().bind(function)
    value = Local(Local())
    assert codec.decode(codec.encode(value, "ns#1"), "ns#1") == value
    late = None

    class Model(BaseModel):
        inner: Other | None = None

    class Other(BaseModel):
        n: int

    def model() -> Model:
        return Model(inner=Other(n=1))

    rebuilt = JsonCodec().bind(model)
    assert rebuilt.decode(
        rebuilt.encode(Model.model_construct(inner=Other(n=1)), "ns#1"), "ns#1"
    ) == Model.model_construct(inner=Other(n=1))


def test_a_closed_over_name_that_is_not_assigned_yet_is_passed_over() -> None:
    """What a function closes over may come later: its annotation does not need it."""

    def function() -> Receipt:
        return later()

    codec = JsonCodec().bind(function)
    assert codec.decode(codec.encode(Receipt(Decimal(1)), "ns#1"), "ns#1") == Receipt(Decimal(1))

    def later() -> Receipt:
        raise NotImplementedError


def test_a_wrapper_of_itself_ends() -> None:
    """A function that says it wraps itself is followed for a while, not for ever."""

    def function() -> Receipt:
        raise NotImplementedError

    function.__wrapped__ = function  # type: ignore[attr-defined]  # on purpose
    codec = JsonCodec().bind(function)
    assert codec.decode(codec.encode(Receipt(Decimal(1)), "ns#1"), "ns#1") == Receipt(Decimal(1))


def test_a_builtin_has_no_annotation(warnings: Callable[[], list[str]]) -> None:
    """What cannot be looked into declares nothing, and plain results need nothing."""
    codec = JsonCodec().bind(divmod)
    assert codec.decode(codec.encode((1, 2), "ns#1"), "ns#1") == (1, 2)
    partial = JsonCodec().bind(functools.partial(divmod, 1))
    partial.encode(Receipt(Decimal(1)), "ns#1")
    assert warnings()[0].startswith("partial returned a ")


@pytest.mark.parametrize("hint", ["Nowhere", "list[Nowhere]", "1 / 0", "Broken"])
def test_an_unresolvable_annotation_counts_as_none_with_one_warning(
    returning: Returning, warnings: Callable[[], list[str]], hint: str
) -> None:
    """A name that is not there at run time costs the rebuilt types, and never a call."""
    function = returning(hint)
    function.__globals__["Broken"] = Broken
    codec = JsonCodec().bind(function)
    for _ in range(2):
        assert codec.decode(codec.encode((1, {"a": 2}), "ns#1"), "ns#1") == (1, {"a": 2})
    del function.__globals__["Broken"]
    [warning] = warnings()
    assert "cannot be resolved" in warning


@dataclass
class Broken:
    held: Missing  # type: ignore[name-defined]  # noqa: F821 - on purpose


def test_the_annotation_is_resolved_late_and_once_for_all_threads(warnings: Callable[[], list[str]]) -> None:
    """Binding looks at nothing; eight threads at once see one resolution and one warning."""
    function = types.FunctionType(plain.__code__, {}, "late")
    function.__annotations__ = {"return": "Nowhere"}
    codec = JsonCodec().bind(function)
    assert warnings() == []
    barrier = threading.Barrier(8)

    def work() -> None:
        barrier.wait(10)
        for number in range(50):
            assert codec.decode(codec.encode((number,), "ns#1"), "ns#1") == (number,)
            codec.encode(Receipt(Decimal(number)), "ns#1")

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(warnings()) == 2


def test_a_thread_that_comes_second_finds_the_work_done(warnings: Callable[[], list[str]]) -> None:
    """What two threads begin at once, the second leaves as the first made it."""
    codec = JsonCodec().bind(plain)
    assert codec._resolve() is codec._resolve()
    codec._warn("a loss")
    codec._warn("another")
    assert warnings() == ["plain returned a loss."]


def test_the_protocols_are_met() -> None:
    """A type checker's view: the codec is a `Codec`, and what it binds is a `BoundCodec`."""
    codec: Codec = JsonCodec()
    bound: BoundCodec = codec.bind(plain)
    assert codec == JsonCodec()
    assert bound is not codec.bind(plain)


class Pydantic(BaseModel):
    model_config = ConfigDict(extra="forbid")
    n: int
    kind: Literal["a"] = "a"


class Line(NamedTuple):
    n: int
    m: int = 2


class Typed(TypedDict):
    n: int


@dataclass
class Grown:
    n: int
    note: str = "new"
    tags: tuple[str, ...] = ()


@dataclass(slots=True)
class Tight:
    n: int


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")


class Shade(enum.Enum):
    RED = "red"


class Bits(enum.Flag):
    READ = 1


class IPv4(BaseModel):
    ip: ipaddress.IPv4Address


class Word(str):
    __slots__ = ()


UNREADABLE: list[tuple[object, str, str]] = [
    (Any, "", "is damaged: Expecting value"),
    (Any, '{"a":', "is damaged"),
    (Any, "[1] 2", "is damaged: Extra data"),
    (Any, "NaN", "is damaged: NaN is no JSON"),
    (Any, "9" * 5000, "is damaged"),
    (Any, "[" * 100_000, "nested too deeply"),
    (Any, '{"$tuple":[' * 300 + "]}" * 300, "nested too deeply"),
    (Any, '[{"$later":1}]', r"at /0, the tag \$later is unknown; a newer release"),
    (Any, '{"a":{"$decimal":"x"}}', r"at /a, the tag \$decimal holds no such value"),
    (Any, '{"a~/b":{"$decimal":1}}', "at /a~0~1b, "),
    (Any, '{"$uuid":5}', "holds no such value"),
    (Any, '{"$uuid":"1"}', "holds no such value"),
    (Any, '{"$bytes":"a"}', "holds no such value"),
    (Any, '{"$bytes":"a!=="}', "holds no such value"),
    (Any, '{"$bytearray":{}}', "holds no such value"),
    (Any, '{"$str":"/w=="}', "holds no such value"),
    (Any, '{"$int":"x"}', "holds no such value"),
    (Any, '{"$float":"1.5"}', "holds no such value"),
    (Any, '{"$float":[]}', "holds no such value"),
    (Any, '{"$set":[[]]}', "holds no such value"),
    (Any, '{"$frozenset":[{}]}', "holds no such value"),
    (Any, '{"$tuple":1}', "an int is stored where a list must be"),
    (Any, '{"$dict":[[1,2],[1,3]]}', "holds no such value"),
    (Any, '{"$dict":[[1]]}', "holds no such value"),
    (Any, '{"$dict":["ab"]}', "holds no such value"),
    (Any, '{"$dict":[[1,{"$no":1}]]}', "at /an int, the tag"),
    (Any, '{"$object":1}', "holds no such value"),
    (Any, '{"$as":["x"]}', "holds no such value"),
    (Any, '{"$date":"2024-13-01"}', "holds no such value"),
    (Any, '{"$datetime":"x"}', "holds no such value"),
    (Any, '{"$datetime":{"at":"2024-01-01T00:00:00","fold":2}}', "holds no such value"),
    (Any, '{"$datetime":{"at":"2024-01-01T00:00:00","zone":"No/Where"}}', "holds no such value"),
    (Any, '{"$datetime":{"at":"2024-01-01T00:00:00","zone":"Europe"}}', "holds no such value"),
    (Any, '{"$datetime":{"at":"2024-01-01T00:00:00","zone":"../etc/passwd"}}', "holds no such value"),
    (Any, '{"$time":{"at":"00:00:00","name":"X"}}', "holds no such value"),
    (Any, '{"$timedelta":{"weeks":1.5}}', "holds no such value"),
    (Any, '{"$timedelta":{"years":1}}', "holds no such value"),
    (Any, '{"$path":3}', "holds no such value"),
    (
        str,
        "1",
        "an int is stored, and .* declares to return str. What differs: at the value itself, an int is stored",
    ),
    (None, "1", "where None is declared"),
    (int, '{"$decimal":"1"}', "a decimal is stored where int is declared"),
    (dict[str, Any], "[]", r"a list of 0 is stored where dict\[str, Any\]"),
    (list, '{"a":1}', r"an object \{a\} is stored where list\[Any\]"),
    (dict[str, int], '{"a":{"b":1,"c":2,"d":3,"e":4,"f":5,"g":6}}', r"at /a, an object \{b, c, d, e, f, …\} is stored"),
    (dict[int, int], '{"1":1}', "at /1, a str is stored where int is declared"),
    (dict[int, int], '{"$dict":[1]}', r"an int is stored where dict\[int, int\] is declared"),
    (dict[Any, int], '{"$dict":[[[],1]]}', "a dict is stored where"),
    (list[int], '{"$tuple":[1]}', r"a tuple is stored where list\[int\]"),
    (list[int], "[1,null]", "at /1, null is stored where int is declared"),
    (set[Any], '{"$set":[[]]}', "a set is stored"),
    (tuple[int, str], '{"$tuple":[1]}', r"1 items are not the 2 of tuple\[int, str\]"),
    (Literal["a", 1], '"b"', r"where Literal\['a', 1\] is declared"),
    (int | None, '"a"', "where int is declared"),
    (int | str, "[1]", r"a list of 1 is stored where int \| str is declared"),
    (list[int] | list[Receipt], '[{"total":"x"}]', "at /0/total, a str is stored where decimal.Decimal is declared"),
    (Receipt | Line, '{"$as":["m.Other",{}]}', r"a m.Other is stored where Receipt \| Line is declared"),
    (list[Receipt | Line], '[{"$as":[1,{}]}]', "at /0, an as is stored"),
    (Receipt, '{"$as":["m.Other",{}]}', "a m.Other is stored where Receipt is declared"),
    (Receipt, '{"amount":{"$decimal":"1"}}', "the field amount is stored, and Receipt does not declare it"),
    (Receipt, "{}", "Receipt declares the field total, which is not stored"),
    (Receipt, '{"total":"1"}', "at /total, a str is stored where decimal.Decimal is declared"),
    (Receipt, "[]", "a list of 0 is stored where Receipt is declared"),
    (Receipt, '{"$object":{}}', r"an object \{\} is stored where Receipt is declared"),
    (Receipt, '{"$object":{"fields":{},"hidden":1}}', r"an object \{.*\} is stored"),
    (Receipt, '{"$tuple":[]}', "a tuple is stored where Receipt is declared"),
    (Tight, '{"$object":{"fields":{"n":1},"hidden":{"m":1}}}', r"an object \{.*\} is stored where Tight"),
    (Pydantic, '{"n":"1"}', "at /n, a str is stored where int is declared"),
    (Pydantic, '{"n":1,"kind":"b"}', "at /kind, a str is stored where Literal"),
    (Pydantic, '{"$object":{"fields":{"n":1},"extra":{"m":1}}}', r"an object \{.*\} is stored where Pydantic"),
    (Pydantic, '{"$object":{"fields":{"n":1},"hidden":{"_m":1}}}', r"an object \{.*\} is stored where Pydantic"),
    (Line, '{"n":1,"m":2,"o":3}', "the field o is stored"),
    (Typed, '{"m":1}', r"an object \{m\} has not the members of Typed"),
    (Typed, "[]", "where Typed is declared"),
    (Typed, '{"$tuple":[]}', "a tuple is stored where Typed is declared"),
    (str, '{"$as":["m.Shade","RED"]}', "a type of the annotation is stored where plain data is declared"),
    (Word, "1", "where str is declared"),
    (Word | int, '{"$as":["m.Word",{"$plain":1}]}', r"where Word \| int is declared"),
    (Word, '{"$as":["m.Word",{"$plain":1}]}', "where Word is declared"),
    (Shade, '"BLUE"', "a str is stored, which is no member of Shade"),
    (Shade | None, "[]", "a list of 0 is stored, which is no member of Shade"),
    (Bits, '"READ"', "which is no member of Bits"),
    (IPv4, '{"ip":"x"}', "at /ip, a str is stored where IPv4Address is declared"),
]


@pytest.mark.parametrize(("hint", "text", "message"), UNREADABLE, ids=range(len(UNREADABLE)))
def test_what_does_not_fit_is_refused_with_both_sides_named(
    returning: Returning, hint: object, text: str, message: str
) -> None:
    """Broken JSON, unknown tags, wrong content and changed types are RecordUnreadable, saying what differs where."""
    with pytest.raises(RecordUnreadable, match=f"(?s)^The result in record ns#1 .*{message}"):
        JsonCodec().bind(returning(hint)).decode(Body(text), "ns#1")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (Body("1", "deflate"), "has the encoding 'deflate', which this codec does not read"),
        (Body(None, "none"), "has the encoding 'none'"),
        (Body(b"1"), "is no text: a bytes is stored"),
        (Body(None), "is no text: null is stored"),
    ],
)
def test_what_is_no_plain_text_is_refused(returning: Returning, body: Body, message: str) -> None:
    """Another encoding, bytes or nothing at all is RecordUnreadable."""
    with pytest.raises(RecordUnreadable, match=message):
        JsonCodec().bind(returning(Any)).decode(body, "ns#1")


@pytest.mark.parametrize(
    ("hint", "text", "value"),
    [
        (Grown, '{"n":1}', Grown(1)),
        (Line, '{"n":1}', Line(1)),
        (Pydantic, '{"n":1}', Pydantic(n=1)),
        (Receipt | Line, '{"total":{"$decimal":"1"}}', Receipt(Decimal(1))),
        (Receipt | Line, '{"$as":["old.place.Receipt",{"total":{"$decimal":"1"}}]}', Receipt(Decimal(1))),
        (Receipt, '{"$as":["old.place.Receipt",{"total":{"$decimal":"1"}}]}', Receipt(Decimal(1))),
        (
            Any,
            '{"$as":["m.Receipt",{"$object":{"fields":{"n":1},"extra":{"m":2},"hidden":{"_o":3}}}]}',
            {"n": 1, "m": 2},
        ),
        (Shade, '"red"', Shade.RED),
        (Any, '[{"$plain":{"$tuple":[1]}}]', [(1,)]),
        (Open, '{"$object":{"fields":{},"extra":{"m":2}}}', Open(m=2)),  # type: ignore[call-arg]  # extra="allow"
    ],
)
def test_a_type_may_grow_and_move(returning: Returning, hint: object, text: str, value: object) -> None:
    """An old record fits a type with a new default, in a new module, in a union, or no longer declared."""
    again = JsonCodec().bind(returning(hint)).decode(Body(text), "ns#1")
    assert type(again) is type(value)
    assert again == value


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "$tuple",
                    "$set",
                    "$dict",
                    "$object",
                    "$as",
                    "$plain",
                    "$str",
                    "$decimal",
                    "$datetime",
                    "$timedelta",
                    "$path",
                    "n",
                    "m",
                    "fields",
                    "hidden",
                ]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=10,
)


@given(
    JSON, st.sampled_from([Any, Receipt, Line, Pydantic, Open, Typed, Word, Grown | Tight, dict[int, Line], set[int]])
)
@settings(max_examples=400, deadline=None)
def test_whatever_is_stored_the_answer_is_a_value_or_record_unreadable(
    returning: Returning, stored: object, hint: object
) -> None:
    """No stored text raises anything but RecordUnreadable."""
    with contextlib.suppress(RecordUnreadable):
        JsonCodec().bind(returning(hint)).decode(Body(json.dumps(stored)), "ns#1")


def test_reading_and_writing_load_what_they_need_and_no_pydantic() -> None:
    """Without pydantic models pydantic is not imported, and importing the codec loads none of the heavy modules."""
    script = """
import sys
from idemlambda.codec import JsonCodec
early = {"decimal", "uuid", "zoneinfo", "pathlib", "base64", "pydantic", "asyncio"} & set(sys.modules)
from dataclasses import dataclass
@dataclass
class Receipt:
    n: int
def f() -> "Receipt | list[Receipt]": ...
codec = JsonCodec().bind(f)
assert codec.decode(codec.encode([Receipt(1)], "x"), "x") == [Receipt(1)]
print(sorted(early), "pydantic" in sys.modules)
"""
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=True)  # noqa: S603 - our own interpreter
    assert run.stdout.split("]")[1].strip() == "False"
    assert "pydantic" not in run.stdout
    assert "asyncio" not in run.stdout
