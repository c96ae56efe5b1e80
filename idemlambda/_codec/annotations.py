"""Return annotations: found late, resolved, and compiled to shapes."""

from __future__ import annotations

import enum
import functools
import inspect
import sys
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, dataclass, field, fields, is_dataclass, replace
from dataclasses import Field as DataclassField
from typing import Final, cast

from idemlambda._codec.models import ModelClass, ModelKind, foreign, is_reference, model_default
from idemlambda._codec.objects import DataclassKind, EnumShape, Field, ObjectShape, SubclassShape, TupleKind
from idemlambda._codec.shapes import (
    ANY,
    LaterShape,
    LeafShape,
    LiteralShape,
    MappingShape,
    OptionalShape,
    SequenceShape,
    Shape,
    TypedDictShape,
    UnionShape,
)
from idemlambda._codec.tags import SEQUENCES, name_of
from idemlambda._codec.writing import base_of, is_model

__all__ = ["return_shape"]

LEAVES: Final = frozenset(
    [
        "str",
        "int",
        "float",
        "bool",
        "bytes",
        "bytearray",
        "decimal.Decimal",
        "uuid.UUID",
        "datetime.datetime",
        "datetime.date",
        "datetime.time",
        "datetime.timedelta",
    ]
)
"""Types that say by themselves what they are, by name: to name decimal and uuid otherwise would load them."""

ABSTRACT_SEQUENCES: Final = frozenset(
    f"collections.abc.{name}"
    for name in [
        "Collection",
        "Container",
        "Iterable",
        "MutableSequence",
        "MutableSet",
        "Reversible",
        "Sequence",
        "Set",
    ]
)
"""What a list, tuple or set may be declared as."""

ABSTRACT_MAPPINGS: Final = frozenset({"collections.abc.Mapping", "collections.abc.MutableMapping"})
"""What a dict may be declared as."""

WRAPPERS: Final = frozenset({"Annotated", "ClassVar", "Final", "NotRequired", "ReadOnly", "Required"})
"""Forms that say something about a type: the type is their first argument. Their metadata does not change a form."""

MAX_WRAPPERS: Final = 100
"""Wrappers around a function that are followed: many more than there are, and an end where one wraps itself."""

AWAITED: Final = frozenset({"Awaitable", "Coroutine"})
"""What a plain function may return in place of being `async`: the last argument is the result."""


@dataclass(repr=False, eq=False)
class Scope:
    """Where an annotation stands.

    Attributes:
        around: What names mean around the function: its module's globals, and what it closes over.
        names: What forward references may mean here.
        home: The module they stand in.
        variables: What stands for type variables.
        models: The pydantic models it stands in, the innermost first: there pydantic writes what is unknown here.
    """

    around: Mapping[str, object]
    names: Mapping[str, object]
    home: str = ""
    variables: Mapping[object, Shape] = field(default_factory=dict[object, Shape])
    models: tuple[type, ...] = ()

    def inside(self, owner: object) -> Scope:
        """Inside a class, a type variable or an alias: its module's names come first, then a class's nested ones.

        A local class may need what its function knows, so that comes last.
        """
        home = cast("str", getattr(owner, "__module__", ""))
        module: Mapping[str, object] = vars(sys.modules[home]) if home in sys.modules else {}
        nested = (
            {name: inner for name, inner in vars(owner).items() if isinstance(inner, type)}
            if isinstance(owner, type)
            else {}
        )
        names = {**self.around, **nested, getattr(owner, "__name__", ""): owner, **module}
        return replace(self, names=names, home=home)


def return_shape(function: Callable[..., object]) -> Shape:
    """What a function declares to return; anything, where it declares nothing.

    Wrappers, partials, methods and callable objects are followed to the function itself; a class returns itself. Only
    the return annotation is resolved: those of parameters may name what is imported for type checkers only.

    Raises:
        Exception: The annotation cannot be resolved, with whatever its evaluation raised.
    """
    target = innermost(function)
    if isinstance(target, type):
        return _Compiler().shape(target, Scope({}, {}))
    hint = annotations_of(target).get("return", inspect.Parameter.empty)
    if hint is inspect.Parameter.empty:
        return ANY
    names = names_around(target)
    scope = Scope(names, names, str(getattr(target, "__module__", "")))
    return _Compiler().shape(resolve(hint, names), scope)


def innermost(function: object) -> object:
    """The function, or class, that is run in the end."""
    for _ in range(MAX_WRAPPERS):
        call = inspect.getattr_static(type(function), "__call__", None)
        if isinstance(function, functools.partial | functools.partialmethod):
            function = cast("functools.partial[object]", function).func
        elif inspect.ismethod(function):
            function = function.__func__
        elif hasattr(function, "__wrapped__"):
            function = cast("object", function.__wrapped__)
        elif isinstance(function, type) or hasattr(function, "__code__") or not hasattr(call, "__code__"):
            break
        else:
            function = call
    return function


def annotations_of(target: object) -> Mapping[str, object]:
    """Annotations as they are written; on Python 3.14, those that cannot be evaluated as references."""
    if sys.version_info >= (3, 14):  # pragma: no cover - the annotations of older releases need no such care
        import annotationlib

        return annotationlib.get_annotations(target, format=annotationlib.Format.FORWARDREF)
    found = cast("object", getattr(target, "__annotations__", None))
    return cast("Mapping[str, object]", found) if isinstance(found, Mapping) else {}


def names_around(target: object) -> dict[str, object]:
    """What the names in a function's annotations mean: its module's globals, and what it closes over."""
    names = dict(cast("Mapping[str, object]", getattr(target, "__globals__", {})))
    code = cast("types.CodeType | None", getattr(target, "__code__", None))
    cells = cast("tuple[types.CellType, ...]", getattr(target, "__closure__", None) or ())
    for name, cell in zip(code.co_freevars if code is not None else (), cells, strict=False):
        try:
            names[name] = cell.cell_contents
        except ValueError:
            continue  # Not assigned yet.
    return names


def resolve(hint: object, names: Mapping[str, object]) -> object:
    """An annotation, with its strings and forward references evaluated."""
    bearer = types.SimpleNamespace(__annotations__={"return": hint})
    return cast("object", typing.get_type_hints(bearer, dict(names), include_extras=True)["return"])


class _Compiler:
    """Annotations to shapes; a type that is met again, also inside itself, is compiled once."""

    def __init__(self) -> None:
        self._known: dict[object, LaterShape] = {}

    def shape(self, hint: object, scope: Scope) -> Shape:  # noqa: C901, PLR0911 - a table of forms, one line each
        if hint is typing.Any or hint is object:
            return ANY
        if hint is None or hint is type(None):
            return LeafShape((type(None),))
        if isinstance(hint, typing.TypeVar):
            return self._variable(hint, scope)
        if isinstance(hint, typing.NewType):
            return self.shape(hint.__supertype__, scope)
        if isinstance(hint, str | typing.ForwardRef):
            return self._reference(hint if isinstance(hint, str) else hint.__forward_arg__, scope)
        origin, args = typing.get_origin(hint), typing.get_args(hint)
        if type(hint).__name__ == "TypeAliasType" or type(origin).__name__ == "TypeAliasType":
            return self._alias(hint, origin, args, scope)
        if origin is None:
            if isinstance(hint, type):
                return self._class(hint, (), scope)
            return next((self.shape(model, scope) for model in scope.models if is_reference(hint, model)), ANY)
        known = getattr(origin, "__module__", "") in ("typing", "typing_extensions", "collections.abc")
        name = cast("str", getattr(origin, "__name__", None) or getattr(origin, "_name", "")) if known else ""
        if origin in (typing.Union, types.UnionType):
            return self._union(args, scope)
        if origin is typing.Literal:
            return self._literal(args, scope)
        if name in WRAPPERS:
            return self.shape(args[0], scope)
        if name in AWAITED:
            return self.shape(args[-1], scope)
        return self._class(origin, args, scope) if isinstance(origin, type) else ANY

    def _variable(self, variable: typing.TypeVar, scope: Scope) -> Shape:
        if variable in scope.variables:
            return scope.variables[variable]
        inner = scope.inside(variable)
        if variable.__constraints__:
            return self._union(variable.__constraints__, inner)
        return ANY if variable.__bound__ is None else self.shape(variable.__bound__, inner)

    def _reference(self, text: str, scope: Scope) -> Shape:
        return self._once(
            ("reference", text, scope.home, bool(scope.models)),
            text,
            lambda: self.shape(resolve(text, scope.names), scope),
        )

    def _alias(self, hint: object, origin: object, args: tuple[object, ...], scope: Scope) -> Shape:
        alias = hint if origin is None else origin
        shapes = tuple(self.shape(arg, scope) for arg in args)
        variables = dict(zip(getattr(alias, "__type_params__", ()), shapes, strict=False))
        inner = replace(scope.inside(alias), variables={**scope.variables, **variables})
        value = cast("object", getattr(alias, "__value__", None))
        return self._once((alias, shapes, bool(scope.models)), str(alias), lambda: self.shape(value, inner))

    def _once(self, key: object, name: str, compiled: Callable[[], Shape]) -> Shape:
        if key not in self._known:
            later = self._known[key] = LaterShape(name)
            later.target = compiled()
        return self._known[key]

    def _union(self, args: tuple[object, ...], scope: Scope) -> Shape:
        others = [arg for arg in args if arg not in (None, type(None))]
        shapes = [self.shape(arg, scope) for arg in others]
        nullable = len(others) < len(args)
        if len(shapes) == 1:
            return OptionalShape(shapes[0]) if nullable else shapes[0]
        if nullable:
            shapes.append(LeafShape((type(None),)))
        return UnionShape.of(shapes)

    def _literal(self, args: tuple[object, ...], scope: Scope) -> Shape:
        members = tuple(dict.fromkeys(type(arg) for arg in args if isinstance(arg, enum.Enum)))
        plain = tuple(arg for arg in args if not isinstance(arg, enum.Enum))
        shapes: list[Shape] = [LiteralShape(plain)] if plain else []
        shapes += [self.shape(member, scope) for member in members]
        return shapes[0] if len(shapes) == 1 else UnionShape.of(shapes)

    def _class(self, cls: type[object], args: tuple[object, ...], scope: Scope) -> Shape:  # noqa: PLR0911 - a table of kinds
        name = name_of(cls)
        if name in LEAVES or cls.__module__.partition(".")[0] == "pathlib":
            # An int where a float is declared is a float to type checkers (PEP 484).
            return LeafShape((float, int) if name == "float" else (cls,))
        if enum.Enum in cls.__mro__:
            return EnumShape(cast("type[enum.Enum]", cls))
        if cls in SEQUENCES or name in ABSTRACT_SEQUENCES:
            return self._sequence(cls, args, scope)
        shapes = tuple(self.shape(arg, scope) for arg in args)
        if cls is dict or name in ABSTRACT_MAPPINGS:
            return _mapping(shapes)
        base = base_of(cls)
        if typing.is_typeddict(cls) or is_named_tuple(cls) or is_model(cls) or (is_dataclass(cls) and base is None):
            return self._once(
                (cls, shapes, bool(scope.models)), cls.__qualname__, lambda: self._object(cls, shapes, scope)
            )
        if base is not None:
            return SubclassShape(cls, base, self._base(cls, base, shapes, scope))
        return foreign(cls) if scope.models or name.startswith("pydantic") else ANY

    def _sequence(self, cls: type, args: tuple[object, ...], scope: Scope) -> Shape:
        if any(getattr(arg, "__unpacked__", False) or typing.get_origin(arg) is typing.Unpack for arg in args):
            return SequenceShape(cls, ANY)
        shapes = tuple(self.shape(arg, scope) for arg in args if arg is not Ellipsis)
        if cls is tuple and args and args[-1] is not Ellipsis:
            return SequenceShape(cls, shapes)
        return SequenceShape(cls, shapes[0] if shapes else ANY)

    def _base(self, cls: type, base: type, shapes: tuple[Shape, ...], scope: Scope) -> Shape:
        """What a subclass of a plain type holds, by what it says of its base."""
        variables = dict(zip(_parameters(cls), shapes, strict=False))
        for hint in cast("tuple[object, ...]", getattr(cls, "__orig_bases__", ())):
            found = self.shape(hint, replace(scope, variables=variables))
            if base in getattr(typing.get_origin(hint), "__mro__", ()):
                return found.inner if isinstance(found, SubclassShape) else found
        if base in SEQUENCES:
            return SequenceShape(base, shapes[0] if shapes else ANY)
        if base is dict:
            return _mapping(shapes)
        return LeafShape((base,))

    def _object(self, cls: type, shapes: tuple[Shape, ...], scope: Scope) -> Shape:
        if is_model(cls):
            return self._model(cls, scope)
        found = self._hints(
            cls, shapes, replace(scope, models=(cls,) if hasattr(cls, "__pydantic_validator__") else scope.models)
        )
        if typing.is_typeddict(cls):
            return TypedDictShape(
                cls.__qualname__, found, frozenset(cast("Iterable[str]", getattr(cls, "__required_keys__", ())))
            )
        if is_named_tuple(cls):
            names = cast("tuple[str, ...]", getattr(cls, "_fields", ()))
            defaults = cast("dict[str, object]", getattr(cls, "_field_defaults", {}))
            made = {name: _constant(defaults[name]) for name in defaults}
            declared = {name: Field(found.get(name, ANY), made.get(name)) for name in names}
            return ObjectShape(cls, TupleKind(cls, names), declared, sticky=bool(shapes))
        declared = {each.name: Field(found.get(each.name, ANY), _default(each)) for each in fields(cls)}
        return ObjectShape(cls, DataclassKind(cls, tuple(declared)), declared, sticky=bool(shapes))

    def _hints(self, cls: type, shapes: tuple[Shape, ...], scope: Scope) -> dict[str, Shape]:
        """The shapes of a class's annotated names; each class of its MRO has type variables and globals of its own."""
        variables = {cls: dict(zip(_parameters(cls), shapes, strict=False))}
        found: dict[str, Shape] = {}
        for owner in cls.__mro__:
            inner = replace(scope.inside(owner), variables=variables.get(owner, {}))
            for hint in cast("tuple[object, ...]", vars(owner).get("__orig_bases__", ())):
                base = cast("type", typing.get_origin(hint))
                given = (self.shape(arg, inner) for arg in typing.get_args(hint))
                variables.setdefault(base, dict(zip(_parameters(base), given, strict=False)))
            for name, hint in annotations_of(owner).items():
                if name not in found and not _is_class_variable(hint):
                    found[name] = self.shape(resolve(hint, inner.names), inner)
        return found

    def _model(self, cls: type, scope: Scope) -> Shape:
        """A pydantic model: pydantic itself has resolved the types of its fields."""
        model = cast("ModelClass", cls)
        inner = replace(scope.inside(cls), variables={}, models=(cls, *scope.models))
        if not model.__pydantic_complete__:
            model.model_rebuild(_types_namespace=inner.names)
        declared = {
            name: Field(self.shape(info.annotation, inner), None if info.is_required() else model_default(info))
            for name, info in model.model_fields.items()
        }
        privates = model.__private_attributes__
        hidden = self._hints_of_privates(cls, privates, inner)
        kind = ModelKind(cls, tuple(declared), model.model_config.get("extra") == "allow", privates)
        return ObjectShape(cls, kind, declared, hidden, sticky=bool(model.__pydantic_generic_metadata__["args"]))

    def _hints_of_privates(self, cls: type, privates: Mapping[str, object], scope: Scope) -> dict[str, Shape]:
        found: dict[str, Shape] = {}
        for owner in cls.__mro__:
            for name, hint in annotations_of(owner).items():
                if name in privates and name not in found:
                    try:
                        found[name] = self.shape(resolve(hint, scope.inside(owner).names), scope)
                    except Exception:  # noqa: BLE001 - pydantic does not resolve these either: no annotation
                        found[name] = ANY
        return found


def is_named_tuple(cls: type) -> bool:
    """Whether a class is a `NamedTuple`, or one of `collections`."""
    fields_of: object = getattr(cls, "_fields", None)
    return tuple in cls.__mro__ and isinstance(fields_of, tuple)


def _mapping(shapes: tuple[Shape, ...]) -> Shape:
    """`dict[K, V]`, a bare one, or `Counter[K]`."""
    key, value = (*shapes, ANY, ANY)[:2]
    return MappingShape(key, value)


def _parameters(cls: type) -> tuple[object, ...]:
    """A class's type variables; a subclass of a built-in generic has them in its base only."""
    own = cast("tuple[object, ...]", getattr(cls, "__parameters__", ()))
    bases = cast("tuple[object, ...]", getattr(cls, "__orig_bases__", ()))
    return own or tuple(variable for base in bases for variable in getattr(base, "__parameters__", ()))


def _is_class_variable(hint: object) -> bool:
    text = hint if isinstance(hint, str) else getattr(hint, "__forward_arg__", "")
    return typing.get_origin(hint) is typing.ClassVar or hint is typing.ClassVar or "ClassVar" in text


def _constant(value: object) -> Callable[[], object]:
    return lambda: value


def _default(declared: DataclassField[object]) -> Callable[[], object] | None:
    if declared.default_factory is not MISSING:
        return declared.default_factory
    return None if declared.default is MISSING else _constant(declared.default)
