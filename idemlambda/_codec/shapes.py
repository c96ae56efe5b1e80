"""What an annotation declares, as shapes: each writes the values that fit it, and reads them back as they were.

A value that is not as declared is written by itself, under `$plain`, so that a replay gives it back whatever the
annotation says; what is stored without that mark must fit the annotation when it is read. So an annotation that is
merely wrong never stands in the way of a replay, and a type that changed between two deployments does.

In a union, the types that a user made are written with their names, `{"$as": [name, form]}`: which of the declared
types it was. The types themselves are in `objects`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol, cast

from idemlambda._codec.reading import read
from idemlambda._codec.tags import (
    SEQUENCES,
    ByValue,
    DoesNotFit,
    Pen,
    Unstorable,
    descend,
    describe,
    is_array,
    is_object,
    name_of,
    tag_of,
    walk,
)
from idemlambda._codec.writing import write, write_members, write_sequence

__all__ = [
    "ANY",
    "AnyShape",
    "LaterShape",
    "LeafShape",
    "LiteralShape",
    "MappingShape",
    "OptionalShape",
    "SequenceShape",
    "Shape",
    "TypedDictShape",
    "UnionShape",
    "get",
    "misfit",
    "put",
]


class Shape(Protocol):
    """One declared type. `str()` gives the annotation as a person wrote it, or nearly."""

    def write(self, value: object, pen: Pen, levels: int) -> object:
        """The stored form of a value.

        Raises:
            DoesNotFit: The value is not of this shape.
            Unstorable: A part of it cannot be written.
        """
        ...

    def read(self, stored: object, *, named: bool) -> object:
        """The value of a stored form; `named` as the pen's was.

        Raises:
            DoesNotFit: The form is not of this shape.
        """
        ...


def put(value: object, shape: Shape, pen: Pen, levels: int) -> object:
    """Write a part as its shape says; by itself where it is not of that shape."""
    try:
        return shape.write(value, pen, levels)
    except DoesNotFit:
        if pen.strict:
            raise
        return {"$plain": write(value, pen, levels)}


def get(stored: object, shape: Shape, *, named: bool = False) -> object:
    """Read a part that `put` wrote."""
    if is_object(stored) and len(stored) == 1 and "$plain" in stored:
        return read(stored["$plain"])
    return shape.read(stored, named=named)


def misfit(stored: object, shape: Shape) -> DoesNotFit:
    """What to raise where a stored form is not of a shape."""
    return DoesNotFit(lambda: f"{describe(stored)} is stored where {shape} is declared")


@dataclass(repr=False, eq=False)
class AnyShape(ByValue):
    """Anything that says by itself what it is."""

    def __str__(self) -> str:
        return "Any"

    def write(self, value: object, pen: Pen, levels: int) -> object:
        """As `Shape.write`."""
        return write(value, pen, levels)

    def read(self, stored: object, *, named: bool) -> object:
        """As `Shape.read`."""
        return read(stored, named=named)


ANY: Final = AnyShape()

SCALARS: Final = frozenset({str, int, float, bool, type(None)})
"""What JSON has itself, containers apart."""


@dataclass(repr=False, eq=False)
class LaterShape:
    """A type that is being compiled: a recursive one meets itself.

    Attributes:
        name: What it is called.
        target: Its shape, once that is known.
    """

    name: str
    target: Shape = ANY

    def __str__(self) -> str:
        return self.name

    def write(self, value: object, pen: Pen, levels: int) -> object:
        """As `Shape.write`."""
        return self.target.write(value, pen, levels)

    def read(self, stored: object, *, named: bool) -> object:
        """As `Shape.read`."""
        return self.target.read(stored, named=named)


@dataclass(repr=False, eq=False)
class LeafShape(ByValue):
    """A type that says by itself what it is, and holds no others."""

    kinds: tuple[type, ...]

    def __str__(self) -> str:
        return "None" if self.kinds[0] is type(None) else name_of(self.kinds[0])

    def write(self, value: object, pen: Pen, levels: int) -> object:
        """As `Shape.write`."""
        if not isinstance(value, self.kinds):
            raise DoesNotFit
        return write(value, pen, levels)

    def read(self, stored: object, *, named: bool) -> object:  # noqa: ARG002 - a name never fits here
        """As `Shape.read`."""
        value = stored if type(stored) in SCALARS else read(stored, named=True)
        if not isinstance(value, self.kinds):
            raise misfit(stored, self)
        return value


@dataclass(repr=False, eq=False)
class LiteralShape(ByValue):
    """One of a few values."""

    values: tuple[object, ...]

    def __str__(self) -> str:
        return f"Literal[{', '.join(map(repr, self.values))}]"

    def write(self, value: object, pen: Pen, levels: int) -> object:
        """As `Shape.write`."""
        if not self._holds(value):
            raise DoesNotFit
        return write(value, pen, levels)

    def read(self, stored: object, *, named: bool) -> object:  # noqa: ARG002 - a name never fits here
        """As `Shape.read`."""
        value = read(stored, named=True)
        if not self._holds(value):
            raise misfit(stored, self)
        return value

    def _holds(self, value: object) -> bool:
        return any(type(value) is type(allowed) and value == allowed for allowed in self.values)


@dataclass(repr=False, eq=False)
class SequenceShape(ByValue):
    """A list, tuple, set or frozenset, or what is declared as one of their abstract types.

    Attributes:
        kind: What the value must be an instance of.
        item: The shape of each item; of a tuple of fixed length, one shape for each.
    """

    kind: type
    item: Shape | tuple[Shape, ...]

    def __str__(self) -> str:
        items = ", ".join(map(str, self.item)) if isinstance(self.item, tuple) else str(self.item)
        return f"{name_of(self.kind)}[{items}]"

    def write(self, value: object, pen: Pen, levels: int) -> object:
        """As `Shape.write`."""
        if type(value) not in SEQUENCES or not isinstance(value, self.kind):
            raise DoesNotFit
        inner, items = descend(levels), cast("list[object]", value)
        if isinstance(self.item, tuple):
            shapes = iter(self._each(len(items)))
            return write_sequence(items, lambda item: put(item, next(shapes), pen, inner))
        shape = self.item
        return write_sequence(items, lambda item: put(item, shape, pen, inner))

    def read(self, stored: object, *, named: bool) -> object:
        """As `Shape.read`."""
        kind, parts = _parts_of(stored)
        if not issubclass(kind, self.kind):
            raise misfit(stored, self)
        pairs = zip(self._each(len(parts)), parts, strict=True)
        values = walk(pairs, lambda pair: get(pair[1], pair[0], named=named))
        try:
            return values if kind is list else cast("Callable[[list[object]], object]", kind)(values)
        except TypeError:
            raise misfit(stored, self) from None

    def _each(self, count: int) -> tuple[Shape, ...]:
        if not isinstance(self.item, tuple):
            return (self.item,) * count
        if len(self.item) != count:
            raise DoesNotFit(f"{count} items are not the {len(self.item)} of {self}")
        return self.item


def _parts_of(stored: object) -> tuple[type, list[object]]:
    """The type and the stored items of a run of items; of anything else `object`, which is of no shape here."""
    if is_array(stored):
        return list, stored
    tag = tag_of(stored)
    if tag is not None and is_array(tag[1]):
        for kind, name in SEQUENCES.items():
            if name == tag[0]:
                return kind, tag[1]
    return object, []


@dataclass(repr=False, eq=False)
class MappingShape(ByValue):
    """A dict."""

    key: Shape
    value: Shape

    def __str__(self) -> str:
        return f"dict[{self.key}, {self.value}]"

    def write(self, value: object, pen: Pen, levels: int) -> object:
        """As `Shape.write`."""
        if type(value) is not dict:
            raise DoesNotFit
        inner = descend(levels)
        return write_members(
            cast("dict[object, object]", value),
            lambda part: put(part, self.key, pen, inner),
            lambda part: put(part, self.value, pen, inner),
        )

    def read(self, stored: object, *, named: bool) -> object:
        """As `Shape.read`."""
        tag = tag_of(stored)
        members: list[tuple[object, object]]
        if tag is None and is_object(stored):
            members = list(stored.items())
        elif tag is not None and tag[0] == "$dict":
            members = [_pair(pair, self) for pair in _parts_of(tag[1])[1]]
        else:
            raise misfit(stored, self)
        tokens = [key if isinstance(key, str) else describe(key) for key, _ in members]
        keys = walk((key for key, _ in members), lambda part: get(part, self.key, named=named), tokens)
        values = walk((value for _, value in members), lambda part: get(part, self.value, named=named), tokens)
        try:
            return dict(zip(keys, values, strict=True))
        except TypeError:
            raise misfit(stored, self) from None


def _pair(pair: object, shape: Shape) -> tuple[object, object]:
    if not is_array(pair) or len(pair) != 2:  # noqa: PLR2004 - a pair has two
        raise misfit(pair, shape)
    key, value = pair
    return key, value


@dataclass(repr=False, eq=False)
class TypedDictShape(ByValue):
    """A dict whose names are declared."""

    name: str
    members: Mapping[str, Shape]
    required: frozenset[str]

    def __str__(self) -> str:
        return self.name

    def write(self, value: object, pen: Pen, levels: int) -> object:
        """As `Shape.write`."""
        if type(value) is not dict:
            raise DoesNotFit
        members, inner = cast("dict[str, object]", value), descend(levels)
        written = self._each(members, lambda part, shape: put(part, shape, pen, inner))
        return written if tag_of(written) is None else {"$dict": [[name, part] for name, part in written.items()]}

    def read(self, stored: object, *, named: bool) -> object:
        """As `Shape.read`."""
        tag = tag_of(stored)
        if tag is not None and tag[0] == "$dict":  # Its one name looks like a tag.
            stored = {str(name): part for name, part in (_pair(pair, self) for pair in _parts_of(tag[1])[1])}
        elif tag is not None or not is_object(stored):
            raise misfit(stored, self)
        return self._each(stored, lambda part, shape: get(part, shape, named=named))

    def _each(self, members: dict[str, object], visit: Callable[[object, Shape], object]) -> dict[str, object]:
        if not self.required <= members.keys() <= self.members.keys():
            raise DoesNotFit(f"{describe(members)} has not the members of {self}")
        parts = ((part, self.members[name]) for name, part in members.items())
        return dict(zip(members, walk(parts, lambda part: visit(*part), list(members)), strict=True))


@dataclass(repr=False, eq=False)
class OptionalShape(ByValue):
    """A type, or None: no form of another type is `null`, so the choice needs no mark."""

    inner: Shape

    def __str__(self) -> str:
        return f"{self.inner} | None"

    def write(self, value: object, pen: Pen, levels: int) -> object:
        """As `Shape.write`."""
        return None if value is None else self.inner.write(value, pen, levels)

    def read(self, stored: object, *, named: bool) -> object:
        """As `Shape.read`."""
        return None if stored is None else self.inner.read(stored, named=named)


@dataclass(repr=False, eq=False)
class UnionShape(ByValue):
    """One of several types. Inside it, values of a user's types carry their names: their forms could be alike.

    Attributes:
        arms: The types; `Any` last, since it takes everything.
        leaves: Those among them that JSON has itself: most values are, and need no search.
    """

    arms: tuple[Shape, ...]
    leaves: frozenset[type] = frozenset()

    @classmethod
    def of(cls, arms: list[Shape]) -> UnionShape:
        """The union of these types."""
        kinds = (kind for arm in arms if isinstance(arm, LeafShape) for kind in arm.kinds)
        return cls(tuple(sorted(arms, key=lambda arm: arm is ANY)), frozenset(kinds) & SCALARS)

    def __str__(self) -> str:
        return " | ".join(map(str, self.arms))

    def write(self, value: object, pen: Pen, levels: int) -> object:
        """As `Shape.write`: by the first type that it fits in all its parts, else by the first it fits at all."""
        if type(value) in self.leaves:
            return write(value, pen, levels)
        strict = Pen([], strict=True, named=True)
        for arm in self.arms:
            try:
                return arm.write(value, strict, levels)
            except (DoesNotFit, Unstorable):
                continue
        if not pen.strict:
            for arm in self.arms:
                try:
                    return arm.write(value, Pen(pen.losses, named=True), levels)
                except DoesNotFit:
                    continue
        raise DoesNotFit

    def read(self, stored: object, *, named: bool) -> object:
        """As `Shape.read`; at last without names, as written before the annotation became a union."""
        if type(stored) in self.leaves:
            return stored
        found: DoesNotFit | None = None
        for names in (True,) if named else (True, False):
            for arm in self.arms:
                try:
                    return arm.read(stored, named=names)
                except DoesNotFit as error:
                    found = error if found is None or len(error.tokens) > len(found.tokens) else found
        raise (found if found is not None and found.tokens else misfit(stored, self)) from None
