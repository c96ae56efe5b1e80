"""What pydantic makes: models, and the types that it can write where nothing here can. It is never imported first."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol, cast

from idemlambda._codec.objects import State, bare, with_name, without_name
from idemlambda._codec.reading import read
from idemlambda._codec.shapes import ANY, Shape, misfit
from idemlambda._codec.tags import ByValue, DoesNotFit, Pen, name_of
from idemlambda._codec.writing import write

__all__ = ["ForeignShape", "ModelClass", "ModelKind", "foreign", "is_reference", "model_default"]


class FieldInfo(Protocol):
    """What is used of pydantic's own."""

    annotation: object

    def is_required(self) -> bool:
        """Whether it has no default."""
        ...

    def get_default(self, *, call_default_factory: bool) -> object:
        """Its default."""
        ...


class ModelClass(Protocol):
    """What is used of a pydantic model, which is not imported for it."""

    model_fields: Mapping[str, FieldInfo]
    model_config: Mapping[str, object]
    __private_attributes__: Mapping[str, Private]
    __pydantic_complete__: bool
    __pydantic_generic_metadata__: Mapping[str, object]

    def model_rebuild(self, *, _types_namespace: Mapping[str, object]) -> object:
        """Resolve its forward references."""
        ...


class _Model(Protocol):
    """What is used of a pydantic model, which is not imported for it."""

    model_fields_set: set[str]
    __pydantic_extra__: dict[str, object] | None
    __pydantic_private__: dict[str, object] | None

    def __setstate__(self, state: dict[str, object]) -> None: ...


class Private(Protocol):
    """What is used of the declaration of a model's private attribute."""

    def get_default(self) -> object:
        """Its default; `PydanticUndefined` where it has none."""
        ...


@dataclass(repr=False, eq=False)
class ModelKind:
    """Instances of a pydantic model, by the state that pydantic itself copies and pickles."""

    cls: type
    names: tuple[str, ...]
    extra: bool
    privates: Mapping[str, Private]

    def take(self, value: object) -> State:
        """As `Kind.take`."""
        model, held = cast("_Model", value), vars(value)
        return State(
            {name: held[name] for name in self.names},
            dict(model.__pydantic_extra__ or {}),
            dict(model.__pydantic_private__ or {}),
            [name for name in self.names if name not in model.model_fields_set],
        )

    def build(self, state: State) -> object:
        """As `Kind.build`."""
        from pydantic_core import PydanticUndefined

        if (state.extra and not self.extra) or not state.hidden.keys() <= self.privates.keys():
            raise KeyError
        hidden = {name: private.get_default() for name, private in self.privates.items()} | state.hidden
        private = {name: part for name, part in hidden.items() if part is not PydanticUndefined}
        model = cast("_Model", bare(self.cls, self.cls))
        model.__setstate__(
            {
                "__dict__": state.fields,
                "__pydantic_extra__": state.extra if self.extra else None,
                "__pydantic_fields_set__": (state.fields.keys() | state.extra.keys()) - set(state.unset),
                "__pydantic_private__": private if self.privates else None,
            }
        )
        return model


class Adapter(Protocol):
    """What is used of pydantic's `TypeAdapter`."""

    def dump_json(self, value: object, /, *, warnings: Literal["error"]) -> bytes:
        """The value as JSON."""
        ...

    def validate_json(self, text: str | bytes, /) -> object:
        """The value of a JSON text."""
        ...


@dataclass(repr=False, eq=False)
class ForeignShape(ByValue):
    """A type that pydantic knows and this module does not (an URL, an IP address): as pydantic writes it.

    Attributes:
        cls: The type.
        adapter: pydantic's `TypeAdapter` for it.
    """

    cls: type
    adapter: Adapter

    def __str__(self) -> str:
        return self.cls.__qualname__

    def write(self, value: object, pen: Pen, levels: int) -> object:
        """As `Shape.write`; what pydantic would not read back equal (a masked secret) does not fit."""
        if isinstance(value, self.cls):
            try:
                text = self.adapter.dump_json(value, warnings="error")
                back = self.adapter.validate_json(text)
                fits = type(back) is type(value) and back == value and text != b"null"
            except Exception:  # noqa: BLE001 - whatever pydantic or the type's own code says: it does not fit
                raise DoesNotFit from None
            if fits:
                return with_name(write(json.loads(text), pen, levels), name_of(self.cls), pen)
        raise DoesNotFit

    def read(self, stored: object, *, named: bool) -> object:
        """As `Shape.read`."""
        form = read(without_name(stored, self, name_of(self.cls), named=named))
        try:
            return self.adapter.validate_json(json.dumps(form))
        except (ValueError, TypeError):  # pydantic's ValidationError is a ValueError
            raise misfit(stored, self) from None


def is_reference(hint: object, model: type) -> bool:
    """Whether pydantic's reference to a generic model, by which one that holds itself is annotated, means this one."""
    origin: object = getattr(model, "__pydantic_generic_metadata__", {}).get("origin")
    return origin is not None and f":{id(origin)}[" in str(getattr(hint, "type_ref", ""))


def foreign(cls: type) -> Shape:
    """A type that pydantic may know. pydantic is loaded: one of its models, or the annotation itself, led here."""
    from pydantic import TypeAdapter

    try:
        return ForeignShape(cls, cast("Adapter", TypeAdapter(cls)))
    except Exception:  # noqa: BLE001 - pydantic's schema errors, and whatever a type's own hook raises
        return ANY


def model_default(info: FieldInfo) -> Callable[[], object]:
    return lambda: info.get_default(call_default_factory=True)
