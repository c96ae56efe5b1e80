"""Results as JSON text and back, equal in value and type, rebuilt by what the function declares to return.

What a record holds never decides what is run: it names no type but to choose among those that the annotation, or
`remember=`, declares. A result of JSON's own types is the JSON text that anybody would expect; `_codec.tags` tells how
other types are written, `_codec.shapes` and `_codec.objects` what an annotation adds.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, Never, cast

from idemlambda._codec.annotations import return_shape
from idemlambda._codec.reading import read
from idemlambda._codec.shapes import ANY, MappingShape, SequenceShape, Shape, get, put
from idemlambda._codec.tags import MAX_DEPTH, DoesNotFit, Pen, Unstorable, describe, is_array, is_object, name_of
from idemlambda._codec.writing import MAX_BITS, write
from idemlambda.errors import RecordUnreadable
from idemlambda.record import Body

__all__ = ["JsonCodec", "decode_error", "encode_error"]

LOGGER: Final = logging.getLogger("idemlambda")

SCALARS: Final = frozenset({str, int, float, bool, type(None)})


def _no_number(text: str) -> Never:
    raise ValueError(f"{text} is no JSON")


_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, check_circular=False, allow_nan=False, separators=(",", ":"))
_DECODER: Final = json.JSONDecoder(parse_constant=_no_number)


@dataclass(frozen=True, slots=True)
class JsonCodec:
    """Writes results as JSON text that a person can read."""

    def bind(self, function: Callable[..., object]) -> BoundJsonCodec:
        """The codec for one function; its return annotation is read when the first result is written or read."""
        return BoundJsonCodec(function)


class BoundJsonCodec:
    """Writes and reads the results of one function. Safe to share between threads."""

    def __init__(self, function: Callable[..., object]) -> None:
        self._function = function
        self._lock = threading.Lock()
        self._resolved: Resolved | None = None
        self._warned = False

    def encode(self, value: object, record_id: str) -> Body:  # noqa: ARG002 - the seam: encryption needs the id
        """A result as JSON text.

        Raises:
            TypeError: A part of it is of a type that cannot be stored; the message names its place and type.
            ValueError: It is nested deeper than 128 levels, or contains itself.
        """
        resolved = self._resolved or self._resolve()
        if resolved.fast is not None and isinstance(value, resolved.fast) and is_json(value):
            text = plain_text(value)
            if text is not None:
                return Body(text)
        pen = Pen([])
        body = Body(to_text(lambda: put(value, resolved.shape, pen, MAX_DEPTH), "the result"))
        if pen.losses and not self._warned:
            self._warn(pen.losses[0])
        return body

    def decode(self, body: Body, record_id: str) -> object:
        """The result of a text, equal in value and type to what was written.

        Raises:
            RecordUnreadable: The text is not one of ours, or no longer fits what the function declares to return.
        """
        resolved = self._resolved or self._resolve()
        where = f"The result in record {record_id}"
        stored, tagged = from_text(body, where)
        if resolved.fast is not None and not tagged and isinstance(stored, resolved.fast):
            return stored
        try:
            return get(stored, resolved.shape)
        except DoesNotFit as error:
            declares = f"{name_of_function(self._function)} declares to return {resolved.shape}"
            raise RecordUnreadable(
                f"{where} cannot be read back: {describe(stored)} is stored, and {declares}. "
                f"What differs: {error}. It was written by another release of this code, or not by it."
            ) from None
        except RecursionError:
            raise RecordUnreadable(f"{where} is nested too deeply to be one of ours.") from None

    def _resolve(self) -> Resolved:
        """Read the annotation, once for all threads."""
        with self._lock:
            if self._resolved is None:
                self._resolved = self._read_annotation()
            return self._resolved

    def _read_annotation(self) -> Resolved:
        try:
            shape = return_shape(self._function)
        except Exception as error:  # noqa: BLE001 - an annotation is an expression of the user's: it may raise anything
            LOGGER.warning(
                "The return annotation of %s cannot be resolved (%s: %s): its results are stored as if it had none.",
                name_of_function(self._function),
                type(error).__name__,
                error,
            )
            return Resolved(ANY, object)
        return Resolved(shape, fast_kind(shape))

    def _warn(self, loss: str) -> None:
        """Say once that a replay will not be all that the first result was."""
        with self._lock:
            warned, self._warned = self._warned, True
        if not warned:
            LOGGER.warning("%s returned %s.", name_of_function(self._function), loss)


@dataclass(repr=False, eq=False)
class Resolved:
    """What a return annotation comes to.

    Attributes:
        shape: What it declares.
        fast: Of JSON's own types, a value of this type fits as it is; None where each part must be looked at.
    """

    shape: Shape
    fast: type | None


def fast_kind(shape: Shape) -> type | None:
    """See `Resolved.fast`."""
    match shape:
        case _ if shape is ANY:
            return object
        case MappingShape(key, value) if value is ANY and (key is ANY or str(key) == "str"):
            return dict
        case SequenceShape(kind, item) if item is ANY and issubclass(list, kind):
            return list
        case _:
            return None


def is_json(value: object) -> bool:
    """Whether a value is of JSON's own types throughout, and not too deep: one pass, without recursion."""
    # Deep first: a value that contains itself ends at the last level, and does not grow by level.
    pending: list[tuple[list[object] | dict[object, object], int]] = [([value], -1)]
    while pending:
        container, depth = pending.pop()
        if depth == MAX_DEPTH:
            return False
        items: Iterable[object] = container
        if isinstance(container, dict):
            for key in container:
                if type(key) is not str:
                    return False
            items = container.values()
        for item in items:
            kind = type(item)
            if kind is str or kind in SCALARS:
                if kind is int and cast("int", item).bit_length() > MAX_BITS:
                    return False
                continue
            if kind is not dict and kind is not list:
                return False
            pending.append((cast("list[object]", item), depth + 1))
    return True


def plain_text(value: object) -> str | None:
    """JSON's own types by the C encoder; None where the text would not say what they are."""
    try:
        text = _ENCODER.encode(value)
        if not text.isascii():
            text.encode()
    except (ValueError, RecursionError):
        return None  # NaN, an int of too many digits, a lone surrogate, a stack that is nearly used up.
    return None if '"$' in text else text


def to_text(written: Callable[[], object], what: str) -> str:
    """JSON text of what is written; `what` names it in errors."""
    try:
        return _ENCODER.encode(written())
    except Unstorable as error:
        raise TypeError(f"{what} cannot be stored: {error}") from None
    except RecursionError:
        raise ValueError(f"{what} is nested too deeply for what is left of the stack") from None


def from_text(body: Body, where: str) -> tuple[object, bool]:
    """The JSON data of a body, and whether there may be tags in it."""
    text = body.data
    if body.encoding is not None:
        raise RecordUnreadable(f"{where} has the encoding {body.encoding!r}, which this codec does not read.")
    if not isinstance(text, str):
        raise RecordUnreadable(f"{where} is no text: {describe(text)} is stored.")
    try:
        return cast("object", _DECODER.decode(text)), '"$' in text
    except RecursionError:
        raise RecordUnreadable(f"{where} is nested too deeply to be one of ours.") from None
    except ValueError as error:
        # The decoder's message holds a position and no part of the text.
        raise RecordUnreadable(f"{where} is damaged: {error}.") from None


def name_of_function(function: object) -> str:
    """A function by its qualified name, anything else that can be called by its type's."""
    return cast("str", getattr(function, "__qualname__", None)) or type(function).__qualname__


# Remembered errors (DESIGN, rule 12)


def encode_error(error: Exception, types: tuple[type[Exception], ...]) -> Body:
    """An error as JSON text: the declared type it is rebuilt as, its arguments, and what attributes can be stored.

    Args:
        error: What the function raised.
        types: The declared types. One that is not among them is remembered as its nearest declared base.

    Raises:
        TypeError: No declared type fits, or an argument cannot be stored.
        ValueError: An argument is nested too deeply.
    """
    declared = next((cls for cls in type(error).__mro__ if cls in types), None)
    if declared is None:
        raise TypeError(f"a {name_of(type(error))} is not among the errors that are remembered")
    pen = Pen([])
    state: dict[str, object] = {}
    for name, part in vars(error).items():
        try:
            state[name] = write(part, pen, MAX_DEPTH - 1)
        except (Unstorable, ValueError):
            continue

    def written() -> object:
        return {
            "error": name_of(declared),
            "args": write(list(arguments(error)), pen),
            **({"state": state} if state else {}),
        }

    return Body(to_text(written, f"the error {name_of(type(error))}"))


def decode_error(body: Body, types: tuple[type[Exception], ...]) -> Exception:
    """The error of a text, of one of the declared types.

    Raises:
        RecordUnreadable: The text is not one of ours, or its type is not declared any more.
    """
    where = "The error that this call ended with"
    stored, _ = from_text(body, where)
    try:
        if not is_object(stored) or not stored.keys() >= {"error", "args"}:
            raise RecordUnreadable(f"{where} is damaged: {describe(stored)} is stored.")
        name, values, state = stored["error"], read(stored["args"]), read(stored.get("state", {}))
        if not is_array(values) or not is_object(state):
            raise RecordUnreadable(f"{where} is damaged: its arguments are no list, or its attributes no object.")
    except (DoesNotFit, RecursionError) as error:
        raise RecordUnreadable(f"{where} is damaged: {error}.") from None
    for cls in types:
        if name_of(cls) == name:
            try:
                return rebuilt(cls, tuple(values), state)
            except Exception as error:
                raise RecordUnreadable(f"{where} cannot be made a {name} again: {error}.") from error
    declared = ", ".join(map(name_of, types)) or "none"
    raise RecordUnreadable(f"{where} is a {name}, which is not declared any more: remember= holds {declared}.")


def rebuilt(cls: type[Exception], args: tuple[object, ...], state: dict[str, object]) -> Exception:
    """An error by its constructor, where that gives back the same arguments; else by that of its built-in base.

    A constructor that makes a message of what it is given would make a message of the message.
    """
    try:
        error = cls(*args)
        exact = type(error) is cls and arguments(error) == args
    except Exception:  # noqa: BLE001 - a constructor of the user's may raise anything
        error, exact = None, False
    if error is None or not exact:
        base = next(base for base in cls.__mro__ if base.__module__ == "builtins")
        error = cast("Callable[..., Exception]", base.__new__)(cls, *args)
        cast("Callable[..., None]", vars(base)["__init__"])(error, *args)
    vars(error).update(state)
    return error


def arguments(error: Exception) -> tuple[object, ...]:
    """What an error was made of; an OSError's `args` leave out the file name, which its constructor takes."""
    return cast("tuple[object, ...]", OSError.__reduce__(error)[1]) if isinstance(error, OSError) else error.args
