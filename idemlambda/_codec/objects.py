"""Shapes of the types that a user makes: enums, dataclasses, models, named tuples, subclasses.

| declared | written as |
|---|---|
| a dataclass, pydantic model or named tuple | its fields, as an object; with other state under `$object` |
| an enum | the member's name (of a flag: its bits), since `auto()` renumbers values |
| a subclass of str, int, float, bytes, list, tuple, set, dict | as the base |

Instances are rebuilt with the state they had, as `copy` does: validators and `__post_init__` have had their say, and
do not run again. A field that was added since takes its default; one without a default, or one that is gone, does not
fit.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum, Flag
from functools import cached_property
from typing import Protocol, cast

from idemlambda._codec.reading import read
from idemlambda._codec.shapes import ANY, Shape, get, misfit, put
from idemlambda._codec.tags import (
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
)
from idemlambda._codec.writing import as_base, write

__all__ = [
    "DataclassKind",
    "EnumShape",
    "Field",
    "ObjectShape",
    "State",
    "SubclassShape",
    "TupleKind",
    "bare",
    "with_name",
    "without_name",
]


def bare(cls: type, base: type, *args: object) -> object:
    """An instance of `cls` as `base` makes it, without a constructor of `cls`."""
    return cast("Callable[..., object]", base.__new__)(cls, *args)


def with_name(form: object, name: str, pen: Pen) -> object:
    """A form, with the name of its type where the annotation leaves a choice."""
    return {"$as": [name, form]} if pen.named else form


def without_name(stored: object, shape: Shape, name: str, *, named: bool) -> object:
    """The form that `with_name` was given.

    Raises:
        DoesNotFit: Another type is named, or none where there must be a name. A type that moved to another module is
            still the same.
    """
    tag = tag_of(stored)
    if tag is None or tag[0] != "$as":
        if named:
            raise misfit(stored, shape)
        return stored
    if not is_array(tag[1]) or len(tag[1]) != 2 or not isinstance(tag[1][0], str):  # noqa: PLR2004 - name and form
        raise misfit(stored, shape)
    other, form = tag[1]
    if other == name or (not named and str(other).rpartition(".")[2] == name.rpartition(".")[2]):
        return form
    raise DoesNotFit(lambda: f"a {other} is stored where {shape} is declared")


@dataclass(repr=False, eq=False)
class EnumShape(ByValue):
    """An enum: its member by name, a flag by its bits."""

    cls: type[Enum]

    def __str__(self) -> str:
        return self.cls.__qualname__

    def write(self, value: object, pen: Pen, levels: int) -> object:  # noqa: ARG002 - a member holds nothing
        """As `Shape.write`."""
        if type(value) is not self.cls:
            raise DoesNotFit
        form = write(value.value if isinstance(value, Flag) else value.name, pen)
        return with_name(form, name_of(self.cls), pen)

    def read(self, stored: object, *, named: bool) -> object:
        """As `Shape.read`; a value, as written before the enum was declared, is taken too."""
        form = read(without_name(stored, self, name_of(self.cls), named=named))
        try:
            if issubclass(self.cls, Flag):
                return self.cls(form)
            if isinstance(form, str) and form in self.cls.__members__:
                return self.cls.__members__[form]
            return self.cls._value2member_map_[form]
        except (ValueError, TypeError, KeyError):
            raise DoesNotFit(f"{describe(stored)} is stored, which is no member of {self}") from None


@dataclass(repr=False, eq=False)
class State:
    """What an instance holds.

    Attributes:
        fields: Its fields by name.
        extra: What a pydantic model holds beyond its fields.
        hidden: Private and other attributes.
        unset: A pydantic model's fields that only have their default, as `model_fields_set` counts.
    """

    fields: dict[str, object]
    extra: dict[str, object] = field(default_factory=dict[str, object])
    hidden: dict[str, object] = field(default_factory=dict[str, object])
    unset: list[str] = field(default_factory=list[str])


class Kind(Protocol):
    """How the instances of a class are taken apart and put together."""

    def take(self, value: object) -> State:
        """The state of an instance; AttributeError or KeyError where a field has no value."""
        ...

    def build(self, state: State) -> object:
        """An instance with that state; AttributeError where the class has no place for it."""
        ...


@dataclass(repr=False, eq=False)
class Field:
    """A declared field.

    Attributes:
        shape: Its type.
        default: Makes its default; None where there is none.
    """

    shape: Shape
    default: Callable[[], object] | None = None


@dataclass(repr=False, eq=False)
class ObjectShape:
    """A class with declared fields.

    Attributes:
        cls: The class.
        kind: How its instances are made.
        fields: Its fields, filled in once they are compiled: a class may hold itself.
        hidden: Shapes of its private attributes, where declared.
        sticky: Its fields depend on type arguments, so that a choice outside is one inside too.
    """

    cls: type
    kind: Kind
    fields: Mapping[str, Field] = field(default_factory=dict[str, Field])
    hidden: Mapping[str, Shape] = field(default_factory=dict[str, Shape])
    sticky: bool = False

    def __str__(self) -> str:
        return self.cls.__qualname__

    def write(self, value: object, pen: Pen, levels: int) -> object:
        """As `Shape.write`."""
        if type(value) is not self.cls:
            raise DoesNotFit
        try:
            state = self.kind.take(value)
        except (AttributeError, KeyError) as error:
            raise Unstorable(
                f"a {name_of(self.cls)} with a field that has no value ({error}) cannot be stored"
            ) from None
        inner = pen if self.sticky else pen.unnamed()
        form = self._form(state, inner, descend(levels))
        return with_name(form, name_of(self.cls), pen)

    def _form(self, state: State, pen: Pen, levels: int) -> object:
        # Loops, not `walk`: each frame of a nested value counts against the interpreter's limit.
        fields: dict[str, object] = {}
        extra: dict[str, object] = {}
        name = ""
        try:
            for name, part in state.fields.items():
                fields[name] = put(part, self.fields[name].shape, pen, levels)
            for name, part in state.extra.items():
                extra[name] = write(part, pen, levels)
        except Unstorable as error:
            error.tokens.append(name)
            raise
        parts = {"extra": extra, "hidden": self._hidden(state, pen, levels), "unset": state.unset}
        parts = {name: part for name, part in parts.items() if part}
        return {"$object": {"fields": fields, **parts}} if parts or tag_of(fields) is not None else fields

    def _hidden(self, state: State, pen: Pen, levels: int) -> dict[str, object]:
        """Private attributes; one that cannot be stored (a lock, a client) is left to its default."""
        written: dict[str, object] = {}
        for name, part in state.hidden.items():
            try:
                written[name] = put(part, self.hidden.get(name, ANY), pen, levels)
            except Unstorable:
                pen.losses.append(f"a {name_of(self.cls)}, which replays without what its attribute {name} held")
        return written

    def read(self, stored: object, *, named: bool) -> object:
        """As `Shape.read`."""
        form = without_name(stored, self, name_of(self.cls), named=named)
        tag = tag_of(form)
        parts: object = {"fields": form} if tag is None else tag[1] if tag[0] == "$object" else None
        if not is_object(parts) or not is_object(parts.get("fields")):
            raise misfit(stored, self)
        try:
            return self.kind.build(self._state(parts, named=named and self.sticky))
        except (AttributeError, KeyError, TypeError, ValueError):
            raise misfit(stored, self) from None

    def _state(self, parts: dict[str, object], *, named: bool) -> State:
        fields, extra, hidden = (cast("dict[str, object]", parts.get(n, {})) for n in ("fields", "extra", "hidden"))
        if unknown := fields.keys() - self.fields.keys():
            raise DoesNotFit(f"the field {min(unknown)} is stored, and {self} does not declare it")
        state = State({}, unset=list(cast("list[str]", parts.get("unset", []))))
        name = ""
        try:
            for name, part in fields.items():
                state.fields[name] = get(part, self.fields[name].shape, named=named)
        except DoesNotFit as error:
            error.tokens.append(name)
            raise
        for name, declared in self.fields.items():
            if name not in fields:
                if declared.default is None:
                    raise DoesNotFit(f"{self} declares the field {name}, which is not stored")
                state.fields[name] = declared.default()
                state.unset.append(name)
        for name, part in hidden.items():
            state.hidden[name] = get(part, self.hidden.get(name, ANY), named=named)
        state.extra.update(zip(extra, map(read, extra.values()), strict=True))
        return state


@dataclass(repr=False, eq=False)
class DataclassKind:
    """Instances of a dataclass, frozen or with slots too; what it keeps beside its fields comes along."""

    cls: type
    names: tuple[str, ...]

    def take(self, value: object) -> State:
        """As `Kind.take`."""
        held = cast("dict[str, object]", getattr(value, "__dict__", {}))
        hidden = {
            name: part
            for name, part in held.items()
            if name not in self.names and not isinstance(getattr(self.cls, name, None), cached_property)
        }
        return State({name: getattr(value, name) for name in self.names}, hidden=hidden)

    def build(self, state: State) -> object:
        """As `Kind.build`."""
        value = bare(self.cls, object)
        for name, part in (state.fields | state.hidden).items():
            object.__setattr__(value, name, part)
        return value


@dataclass(repr=False, eq=False)
class TupleKind:
    """Instances of a named tuple."""

    cls: type[tuple[object, ...]]
    names: tuple[str, ...]

    def take(self, value: object) -> State:
        """As `Kind.take`."""
        return State(dict(zip(self.names, cast("tuple[object, ...]", value), strict=True)))

    def build(self, state: State) -> object:
        """As `Kind.build`."""
        return bare(self.cls, tuple, [state.fields[name] for name in self.names])


@dataclass(repr=False, eq=False)
class SubclassShape(ByValue):
    """A subclass of a plain type, without attributes of its own.

    Attributes:
        cls: The subclass.
        base: The plain type.
        inner: The shape of the value as the plain type.
    """

    cls: type
    base: type
    inner: Shape

    def __str__(self) -> str:
        return self.cls.__qualname__

    def write(self, value: object, pen: Pen, levels: int) -> object:
        """As `Shape.write`."""
        if type(value) is not self.cls or getattr(value, "__dict__", None):
            raise DoesNotFit
        if getattr(value, "default_factory", None) is not None:
            pen.lose(f"a {name_of(self.cls)}, which replays without its default_factory")
        return with_name(put(as_base(value), self.inner, pen, levels), name_of(self.cls), pen)

    def read(self, stored: object, *, named: bool) -> object:
        """As `Shape.read`."""
        plain = get(without_name(stored, self, name_of(self.cls), named=named), self.inner, named=named)
        if type(plain) is not self.base:
            raise misfit(stored, self)
        if isinstance(plain, dict):
            members = cast("OrderedDict[object, object]", bare(self.cls, self.cls))
            setters = vars(OrderedDict if OrderedDict in self.cls.__mro__ else dict)
            put_in = cast("Callable[..., None]", setters["__setitem__"])
            for key, part in cast("dict[object, object]", plain).items():
                put_in(members, key, part)
            return members
        if isinstance(plain, list | set | bytearray):
            value = bare(self.cls, self.base)
            cast("Callable[..., None]", self.base.__init__)(value, plain)
            return value
        return bare(self.cls, self.base, plain)
