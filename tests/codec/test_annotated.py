"""Values of a user's types, rebuilt by the return annotation."""

from __future__ import annotations

import collections
import enum
import functools
import ipaddress
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import (
    Any,
    ClassVar,
    Generic,
    Literal,
    NamedTuple,
    NewType,
    NotRequired,
    TypedDict,
    TypeVar,
    Union,
    Unpack,
)
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import AnyUrl, BaseModel, ConfigDict, Field, PrivateAttr, RootModel, SecretStr, field_validator
from pydantic.dataclasses import dataclass as pydantic_dataclass
from pydantic_core import core_schema
from typing_extensions import TypeAliasType

from idemlambda.codec import JsonCodec

Same = Callable[..., None]
Replay = Callable[..., object]
T = TypeVar("T")
N = TypeVar("N", bound="Colour | None")
C = TypeVar("C", int, Decimal)
OrderId = NewType("OrderId", str)
Tree = TypeAliasType("Tree", "dict[str, Tree] | list[Tree] | Leaf")
Pair = TypeAliasType("Pair", tuple[T, T], type_params=(T,))
Json = "dict[str, Json] | list[Json] | str | int | None"


class Colour(enum.Enum):
    RED = 1
    GREEN = "g"
    BLUE = None
    CRIMSON = 1  # noqa: PIE796 - an alias


class Size(enum.StrEnum):
    SMALL = "s"
    LARGE = "RED"


class Access(enum.Flag):
    READ = 1
    WRITE = 2


class Level(enum.IntEnum):
    LOW = 1


@dataclass(frozen=True)
class Leaf:
    name: str
    at: datetime | None = None


@dataclass(slots=True)
class Slotted:
    amount: Decimal
    children: list[Slotted] = field(default_factory=list)


@dataclass
class Box(Generic[T]):
    held: T
    others: dict[str, Box[T]] = field(default_factory=dict)


@dataclass
class Labelled(Box[Leaf], Generic[T]):
    label: T | None = None
    kind: ClassVar[Unresolvable] = 1  # type: ignore[name-defined]  # noqa: F821 - never looked at


@dataclass
class Worked:
    cents: int
    calls: int = 0

    def __post_init__(self) -> None:
        self.cents *= 100
        self.log = ["made"]
        self.lock = threading.Lock()

    @functools.cached_property
    def total(self) -> object:
        return object()


class Point(NamedTuple):
    x: Decimal
    tags: tuple[Colour, ...] = ()


class Named(Point):
    """A subclass of a named tuple is one too."""

    __slots__ = ()


Loose = collections.namedtuple("Loose", ["a", "b"])  # noqa: PYI024 - people write this


class Reply(TypedDict):
    statusCode: int
    leaf: NotRequired[Leaf]


Only = TypedDict("Only", {"$a": Leaf})


class Line(BaseModel):
    sku: UUID
    price: Decimal
    colour: Colour = Colour.RED
    made: datetime | date | None = None
    takes: timedelta = timedelta(0)
    extra_text: str = Field(default="", alias="extraText")


class Order(BaseModel):
    model_config = ConfigDict(extra="allow", validate_default=True)
    id: int
    lines: tuple[Line, ...] = ()
    by_size: dict[Size, list[Line]] = {}
    parent: Order | None = None
    leaf: Leaf | Slotted | None = None
    _seen: set[Colour] = PrivateAttr(default_factory=set)
    _client: Any = PrivateAttr(default=None)
    _later: Unresolvable = PrivateAttr()  # type: ignore[name-defined]  # noqa: F821 - pydantic does not resolve it either

    @field_validator("id", mode="before")
    @classmethod
    def _double(cls, value: int) -> int:
        return value * 2


class Page(BaseModel, Generic[T]):
    model_config = ConfigDict(arbitrary_types_allowed=True)
    items: list[T]
    next_page: Page[T] | None = None


class Network(BaseModel):
    url: AnyUrl
    address: ipaddress.IPv4Address | str
    hosts: dict[str, ipaddress.IPv4Address] = {}
    late: ipaddress.IPv4Address | None = Field(default_factory=lambda: ipaddress.IPv4Address("10.0.0.1"))


class Ids(RootModel[list[UUID]]):
    pass


@pydantic_dataclass
class Checked:
    price: Decimal
    home: ipaddress.IPv4Address


class Reference(str):
    __slots__ = ()


class Scores(dict[str, Colour]):
    pass


class Colours(list[Colour]):
    pass


class Mixin(Generic[T]):
    pass


class Mixed(Mixin[T], list[T]):
    pass


class Bare(tuple):  # type: ignore[type-arg]  # noqa: SLOT001 - people write this
    pass


class Bytes(bytearray):
    pass


class Mute:
    """A type that pydantic can only check, and not write."""

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: object, _handler: object) -> core_schema.CoreSchema:
        return core_schema.is_instance_schema(cls)


class Dull:
    """A type that pydantic knows nothing of."""


class Blunt(BaseModel):
    model_config = ConfigDict(arbitrary_types_allowed=True)
    n: int
    dull: Dull | None = None


class Plain(BaseModel):
    mute: Mute | None = None
    typed: type[Any] | int = 1


class Dollar(BaseModel):
    model_config = ConfigDict(extra="allow")


class Bag(collections.OrderedDict[str, T]):
    pass


ORDER = Order(
    id=4,
    lines=(Line(sku=UUID(int=1), price=Decimal("1.10"), extraText="x"), Line(sku=UUID(int=2), price=Decimal(0))),
    by_size={Size.SMALL: [Line(sku=UUID(int=3), price=Decimal("-0.0"), made=date(2024, 1, 1))]},
    parent=Order(id=1),
    leaf=Slotted(Decimal(1)),
    note={"$decimal": 1},  # type: ignore[call-arg]  # extra="allow"
)
ORDER._seen.add(Colour.GREEN)


class Left:
    @dataclass
    class Money:
        """Money, on the left."""

        cents: int


class Right:
    @dataclass
    class Money:
        """Money, on the right."""

        cents: int


def recursive(_text: str) -> Json:  # type: ignore[valid-type]  # an alias that only exists as text
    """Declared to return an alias of itself."""
    raise NotImplementedError


SAME: list[tuple[object, object]] = [
    (Colour, Colour.BLUE),
    (Colour | None, Colour.BLUE),
    (Colour | None, None),
    (Colour | str, "RED"),
    (str | Colour, Colour.RED),
    (Size | str, "s"),
    (Size | str, Size.LARGE),
    (list[Size] | list[str], ["SMALL", "LARGE"]),
    (list[str] | list[Size], [Size.SMALL, Size.LARGE]),
    (list[Size | str], ["SMALL", Size.SMALL, "s"]),
    (dict[Size, Level], {Size.SMALL: Level.LOW}),
    (set[Colour], set(Colour)),
    (Access, Access.READ | Access.WRITE),
    (Access | int, 3),
    (Literal[Colour.RED, "RED", 1], "RED"),
    (Literal[Colour.RED, "RED", 1], Colour.RED),
    (Literal["a", "b"], "b"),
    (Literal["a", "b"], "c"),
    (Leaf, Leaf("a")),
    (Leaf, {"name": "a", "at": None}),
    (Slotted, Slotted(Decimal("0.10"), [Slotted(Decimal(1))])),
    (Box[Leaf], Box(Leaf("a"), {"b": Box(Leaf("c"))})),
    (Box[Leaf] | Box[Slotted], Box(Slotted(Decimal(1)), {"b": Box(Slotted(Decimal(2)))})),
    (Box[Any] | Leaf, Box([1, (2,)])),
    (Labelled[Colour], Labelled(Leaf("a"), {}, Colour.RED)),
    (Left.Money | Right.Money, Left.Money(1)),
    (Left.Money | Right.Money, Right.Money(1)),
    (Box[Left.Money] | Box[Right.Money], Box(Right.Money(1))),
    (Page[Left.Money] | Page[Right.Money], Page[Right.Money](items=[Right.Money(1)])),
    (Any | Leaf, Leaf("a")),
    (list[Any] | list[Leaf], [Leaf("a")]),
    (list[Any] | list[Leaf], [{"name": "a"}]),
    (list[Leaf] | tuple[Leaf, int] | set[Leaf], (Leaf("a"), 1)),
    (list[Leaf] | dict[str, Leaf], {"a": Leaf("b")}),
    (list[Leaf] | int, [Leaf("a"), "b"]),
    (dict[str, list[Leaf | None]], {"a": [Leaf("x"), None, 5], "$b": []}),
    (dict[str, Leaf], {"$only": Leaf("x")}),
    (Mapping[UUID, Leaf], {UUID(int=1): Leaf("x")}),
    (Sequence[Leaf], (Leaf("x"),)),
    (Sequence[Leaf], "text"),
    (frozenset[Leaf], frozenset({Leaf("x"), Leaf("y")})),
    (tuple[Leaf, ...], (Leaf("a"), Leaf("b"))),
    (tuple[Leaf, int], (Leaf("a"), 1)),
    (tuple[Leaf, int], (1, 2, 3)),
    (tuple[int, Unpack[tuple[int, ...]]], (1, 2, 3)),  # noqa: UP044 - the other spelling
    (tuple[int, *tuple[Leaf, ...]], (1, 2, 3)),
    (tuple, (1,)),
    (Point, Point(Decimal(1), (Colour.RED,))),
    (Named, Named(Decimal(1))),
    (Point | tuple[Any, ...], (Decimal(1), ())),
    (Loose, Loose(1, (2,))),
    (Reply, {"statusCode": 200, "leaf": Leaf("x")}),
    (Reply, {"statusCode": 200}),
    (Reply, {"statusCode": "200", "more": 1}),
    (Reply, [1]),
    (OrderId, "x"),
    (Tree, {"a": [Leaf("x"), {"b": Leaf("y")}]}),
    (Pair[Leaf], (Leaf("x"), Leaf("y"))),
    (N, Colour.RED),
    (C, Decimal(1)),
    (T, 1),
    (float, 3),
    (float, True),
    (int, "x"),
    (None, None),
    (None, 1),
    (object, {"a": 1}),
    (dict, {1: 2}),
    (list, [1]),
    (list[Any], (1,)),
    (dict[str, Any], [1]),
    (dict[str, str], {"a": 1}),
    (dict[str, str], {"a": "b"}),
    (Callable[[], int], 1),
    (type[int], 1),
    (threading.Thread, 1),
    (Reference, Reference("x")),
    (Reference, "x"),
    (Blunt, Blunt(n=1)),
    (Reference | str, Reference("x")),
    (Reference | str, "x"),
    (Scores, Scores(a=Colour.RED)),
    (Colours, Colours([Colour.RED])),
    (Mixed[Leaf], Mixed([Leaf("x")])),
    (Bare, Bare((1, 2))),
    (Bytes, Bytes(b"x")),
    (set[Any] | Bare, Bare((1,))),
    (Plain, Plain()),
    (Only, {"$a": Leaf("x")}),
    (list[list[Leaf | Colour] | list[Slotted]] | int, [[Leaf("x"), 1]]),
    (AnyUrl, 1),
    (AnyUrl | int, 2),
    (Bag[Colour], Bag(b=Colour.RED, a=Colour.GREEN)),
    (collections.OrderedDict, collections.OrderedDict(b=1, a=2)),
    (collections.Counter[str], collections.Counter("hello")),
    (Order, ORDER),
    (list[Order | Line], [ORDER, Line(sku=UUID(int=1), price=Decimal(1))]),
    (Order, {"id": "x"}),
    (Page[Leaf], Page[Leaf](items=[Leaf("x")], next_page=Page[Leaf](items=[]))),
    (Page[Leaf] | Page[Colour], Page[Colour](items=[Colour.RED])),
    (Ids, Ids([UUID(int=1)])),
    (Network, Network(url=AnyUrl("https://a.example/b"), address=ipaddress.IPv4Address("10.0.0.2"))),
    (Network, Network(url=AnyUrl("https://a.example/b"), address="10.0.0.2")),
    (AnyUrl | str, AnyUrl("https://a.example/b")),
    (AnyUrl | str, "https://a.example/b"),
    (Checked, Checked(Decimal("1.10"), ipaddress.IPv4Address("10.0.0.1"))),
]


@pytest.mark.parametrize(("hint", "value"), SAME)
def test_a_declared_type_comes_back(same: Same, warnings: Callable[[], list[str]], hint: object, value: object) -> None:
    """What the annotation declares is rebuilt, whichever of several types it was, and without a word of warning."""
    same(value, hint)
    assert warnings() == []


LEAVES = st.builds(Leaf, st.text(), st.none() | st.datetimes())
SLOTTED: st.SearchStrategy[Slotted] = st.recursive(
    st.builds(Slotted, st.decimals()), lambda inner: st.builds(Slotted, st.decimals(), st.lists(inner, max_size=2))
)
LINES = st.builds(
    Line,
    sku=st.uuids(),
    price=st.decimals(allow_nan=False, allow_infinity=False),
    colour=st.sampled_from(Colour),
    made=st.none() | st.dates() | st.datetimes(timezones=st.timezones()),
    takes=st.timedeltas(),
)


@st.composite
def orders(draw: st.DrawFn, depth: int = 2) -> Order:
    """Orders within orders, with fields set and unset, more fields than declared, and private state."""
    given_fields: dict[str, Any] = {"id": draw(st.integers())}
    if draw(st.booleans()):
        given_fields["lines"] = draw(st.lists(LINES, max_size=2))
    if draw(st.booleans()):
        given_fields["by_size"] = draw(st.dictionaries(st.sampled_from(Size), st.lists(LINES, max_size=1)))
    if depth and draw(st.booleans()):
        given_fields["parent"] = draw(orders(depth - 1))
    given_fields["leaf"] = draw(st.none() | LEAVES | SLOTTED)
    given_fields |= draw(st.dictionaries(st.sampled_from(["note", "$x", "more"]), st.floats()))
    order = Order(**given_fields)
    order._seen |= draw(st.sets(st.sampled_from(Colour)))
    return order


@given(st.lists(orders() | LEAVES | SLOTTED | LINES | st.sampled_from(Size) | st.text(), max_size=3))
@settings(max_examples=120, deadline=None)
def test_models_and_dataclasses_come_back_with_all_their_state(same: Same, value: object) -> None:
    """Nested models replay with their types, unset fields, extra fields and private attributes, whatever they hold."""
    same(value, list[Order | Leaf | Slotted | Line | Size | str])


Typed = tuple[Any, st.SearchStrategy[Any]]
"""An annotation, and values that it declares."""

SIMPLE: list[Typed] = [
    (str, st.sampled_from(["RED", "SMALL", "s", "x", "$x"])),
    (int, st.integers(0, 3)),
    (float, st.floats(0, 3)),
    (None, st.none()),
    (Any, st.sampled_from([{"name": "a", "at": None}, {"cents": 1}, ["RED"], (1,), {"$as": ["x", 1]}])),
    (Colour, st.sampled_from(Colour)),
    (Size, st.sampled_from(Size)),
    (Access, st.sampled_from([Access.READ, Access.READ | Access.WRITE])),
    (Reference, st.builds(Reference, st.sampled_from(["RED", "x"]))),
    (Leaf, LEAVES),
    (Point, st.builds(Point, st.decimals(0, 1), st.sampled_from([(), (Colour.RED,)]))),
    (Left.Money, st.builds(Left.Money, st.integers(0, 1))),
    (Right.Money, st.builds(Right.Money, st.integers(0, 1))),
    (Line, LINES),
    (AnyUrl, st.just(AnyUrl("https://a.example/"))),
    (Literal["RED", 1], st.sampled_from(["RED", 1])),
]


def of(generic: Any, *args: Any) -> Any:
    """An annotation with arguments that a type checker cannot know."""
    return generic[args]


def pages(hint: Any, items: list[Any]) -> Page[Any]:
    """A page of a declared type, as it is: validation is not what is tested."""
    made: Page[Any] = of(Page, hint).model_construct(items=items)
    return made


def wider(inner: st.SearchStrategy[Typed]) -> st.SearchStrategy[Typed]:
    """Annotations made of others."""
    names = st.sampled_from(["a", "name", "$b"])
    return st.one_of(
        inner.map(lambda one: (of(list, one[0]), st.lists(one[1], max_size=2))),
        inner.map(lambda one: (of(dict, str, one[0]), st.dictionaries(names, one[1]))),
        inner.map(lambda one: (of(tuple, one[0], ...), st.lists(one[1], max_size=2).map(tuple))),
        inner.map(lambda one: (of(Box, one[0]), st.builds(Box, one[1]))),
        inner.map(lambda one: (of(Page, one[0]), st.lists(one[1], max_size=1).map(lambda items: pages(one[0], items)))),
        inner.map(lambda one: (of(Union, one[0], None), one[1] | st.none())),
        st.tuples(inner, inner).map(lambda two: (of(Union, two[0][0], two[1][0]), two[0][1] | two[1][1])),
        st.tuples(inner, inner).map(lambda two: (of(tuple, two[0][0], two[1][0]), st.tuples(two[0][1], two[1][1]))),
    )


TYPED = st.recursive(st.sampled_from(SIMPLE), wider, max_leaves=5)


@given(st.data(), TYPED, TYPED)
@settings(max_examples=300, deadline=None)
def test_whatever_is_declared_comes_back(same: Same, data: st.DataObject, one: Typed, other: Typed) -> None:
    """For any annotation, with unions of types whose forms are alike, the first result and its replay are the same."""
    same(data.draw(one[1]), of(Union, one[0], other[0]))


def test_nothing_of_the_users_runs_again(replay: Replay) -> None:
    """A validator and a `__post_init__` had their say in the first result: a replay has that result, not theirs."""
    first = Worked(5)
    assert first.total is first.total
    second = replay(first, Worked)
    assert isinstance(second, Worked)
    assert (second.cents, second.log, "total" in vars(second)) == (500, ["made"], False)
    assert replay(Order(id=2), Order) == Order(id=2)


def test_what_an_attribute_cannot_keep_is_told(replay: Replay, warnings: Callable[[], list[str]]) -> None:
    """A private attribute that cannot be stored takes its default, and a warning says so; the result is kept."""
    order = Order(id=1)
    order._client = threading.Lock()
    again = replay(order, Order)
    assert isinstance(again, Order)
    assert again._client is None
    [warning] = warnings()
    assert "which replays without what its attribute _client held" in warning


def test_a_default_factory_is_lost_with_a_word(replay: Replay, warnings: Callable[[], list[str]]) -> None:
    """A defaultdict comes back as one, without the function that nobody may store."""
    again = replay(collections.defaultdict(list, a=[1]), collections.defaultdict[str, list[int]])
    assert isinstance(again, collections.defaultdict)
    assert (again, again.default_factory) == ({"a": [1]}, None)
    assert "without its default_factory" in warnings()[0]


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (Leaf("a"), {"name": "a", "at": None}),
        (
            Order(id=1, note=2),  # type: ignore[call-arg]  # extra="allow"
            {"id": 2, "lines": (), "by_size": {}, "parent": None, "leaf": None, "note": 2},
        ),
        (Colour.GREEN, "g"),
        (Level.LOW, 1),
        (Size.SMALL, "s"),
        (Point(Decimal(1)), (Decimal(1), ())),
        (Reference("x"), "x"),
        (collections.OrderedDict(a=1), {"a": 1}),
        (collections.defaultdict(list, a=[1]), {"a": [1]}),
        (type("Day", (date,), {})(2024, 1, 2), date(2024, 1, 2)),
        (type("Real", (float,), {})(1.5), 1.5),
        ([Colours([Colour.RED])], [[1]]),
    ],
)
def test_without_an_annotation_a_result_is_plain_data_and_that_is_said_once(
    returning: Callable[[object], Callable[..., object]],
    warnings: Callable[[], list[str]],
    value: object,
    plain: object,
) -> None:
    """A type that nothing declares replays as the data in it, and the codec says so once for a function."""
    codec = JsonCodec().bind(lambda: None)
    for _ in range(3):
        again = codec.decode(codec.encode(value, "ns#1"), "ns#1")
    assert type(again) is type(plain)
    assert again == plain
    [warning] = warnings()
    assert warning.endswith("; declare that it is returned, and a replay gives it back.")


def test_a_subclass_of_what_is_declared_is_plain_data(replay: Replay, warnings: Callable[[], list[str]]) -> None:
    """A record names no type that is not declared: a subclass is not rebuilt as its base, which would drop fields."""

    @dataclass(frozen=True)
    class Twig(Leaf):
        length: int = 1

    assert replay(Twig("a"), Leaf) == {"name": "a", "at": None, "length": 1}
    assert replay([Twig("a")], list[Leaf | str]) == [{"name": "a", "at": None, "length": 1}]
    assert replay(Size.SMALL, str) == "s"
    assert "Twig, which replays as the plain data in it; declare that it is returned" in warnings()[0]


@pytest.mark.parametrize(
    ("hint", "value"),
    [
        (SecretStr, SecretStr("x")),
        (Plain, Plain(mute=Mute())),
        (Network, Network.model_construct(url=AnyUrl("https://a.example"), address=SecretStr("x"))),
        (Leaf, object.__new__(Leaf)),
        (Line, Line.model_construct(sku=UUID(int=1))),
        (list[Leaf], [Leaf(threading.Lock())]),  # type: ignore[arg-type]  # on purpose
        (Box[int], Box(1, {"a": threading.Lock()})),  # type: ignore[dict-item]  # on purpose
        (Order, Order(id=1, lock=threading.Lock())),  # type: ignore[call-arg]  # extra="allow"
        (list[Leaf] | list[Line], [threading.Lock()]),
    ],
)
def test_what_would_not_come_back_is_refused_while_writing(
    returning: Callable[[object], Callable[..., object]], hint: object, value: object
) -> None:
    """A masked secret, a missing field or a lock inside a model is a TypeError now, and no surprise at a replay."""
    with pytest.raises(TypeError, match="cannot be stored"):
        JsonCodec().bind(returning(hint)).encode(value, "ns#1")


def test_depth_is_bounded_in_declared_types_too(same: Same, replay: Replay) -> None:
    """128 levels of a recursive type replay; one more is refused."""
    value = Slotted(Decimal(1))
    for _ in range(63):
        value = Slotted(Decimal(1), [value])
    same(value, Slotted | None)
    with pytest.raises(ValueError, match="128 levels"):
        replay(Slotted(Decimal(1), [value]), Slotted)


def test_an_alias_of_itself_is_resolved() -> None:
    """A recursive alias that exists as text only is compiled once, and not for ever."""
    codec = JsonCodec().bind(recursive)
    value = {"a": [{"b": "c"}, None, 1]}
    assert codec.decode(codec.encode(value, "ns#1"), "ns#1") == value
