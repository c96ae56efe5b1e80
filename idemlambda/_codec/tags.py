r"""JSON that says what it holds: Python's plain types as JSON, and a small tag where JSON has no word.

A tag is an object with one member whose name starts with `$`:

| value | written as |
|---|---|
| str, int, float, bool, None, list, dict with names that are str | itself |
| NaN, infinities; an int of very many digits | `{"$float": "nan"}`, `{"$int": "0x1f"}` |
| a str that is no Unicode text | `{"$str": base64}` |
| tuple, set, frozenset | `{"$tuple": [...]}`, `{"$set": [...]}`, `{"$frozenset": [...]}` |
| dict with other keys, or that looks like a tag | `{"$dict": [[key, value], ...]}` |
| Decimal, UUID | `{"$decimal": "1.10"}`, `{"$uuid": "..."}` |
| bytes, bytearray | `{"$bytes": base64}`, `{"$bytearray": base64}` |
| datetime, date, time, timedelta | `{"$datetime": "2024-01-01T00:00:00+00:00"}`, `{"$timedelta": {"days": 1}}` |
| with a zone, a zone's name or a fold | `{"$datetime": {"at": "...", "zone": "Europe/Berlin", "fold": 1}}` |
| Path, PurePosixPath, PureWindowsPath | `{"$path": "a/b"}`, `{"$posixpath": "a/b"}`, `{"$windowspath": "a\\b"}` |

The tags are these few and no others. A record cannot name a type: `$as` holds the name of one of the types that an
annotation declares, and is compared with those only (see `shapes`). Whatever else a value is (an enum member, a
model, a subclass) is written as the plain data in it, and the loss is noted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeGuard, TypeVar

__all__ = [
    "MAX_DEPTH",
    "MAX_PLACE",
    "SEQUENCES",
    "AtPlace",
    "ByValue",
    "DoesNotFit",
    "Pen",
    "Unstorable",
    "descend",
    "describe",
    "is_array",
    "is_object",
    "name_of",
    "tag_of",
    "walk",
    "with_article",
]

A = TypeVar("A")
B = TypeVar("B")

MAX_DEPTH: Final = 128
"""Levels of containers in a result, as in a key: results have a dozen, and 128 spare the stack."""

MAX_PLACE: Final = 200
"""Characters of a place in a message: enough to find it, and no flood in a log."""

MAX_NAMES: Final = 5
"""Member names that a short description of stored data shows."""

SEQUENCES: Final[Mapping[type, str]] = {list: "", tuple: "$tuple", set: "$set", frozenset: "$frozenset"}
"""Types of a run of items, and the tag of each; a list needs none."""


class ByValue:
    """Equal to its like with equal attributes, and never changed.

    A frozen dataclass would have the same code compiled for each class at each cold start, four times as long.
    """

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and vars(other) == vars(self)

    def __hash__(self) -> int:
        return hash((type(self), *vars(self).values()))


class AtPlace(Exception):
    """What is wrong; on the way up each container adds its token to `tokens`."""

    def __init__(self, reason: str | Callable[[], str] = "") -> None:
        super().__init__()
        self._reason = reason  # Late: in a union most reasons are never asked for.
        self.tokens: list[str] = []

    @property
    def reason(self) -> str:
        """What is wrong there."""
        return self._reason if isinstance(self._reason, str) else self._reason()

    def __str__(self) -> str:
        return f"at {self.place}, {self.reason}"

    @property
    def place(self) -> str:
        """Where it is wrong, as a JSON pointer (RFC 6901), cut at `MAX_PLACE` characters."""
        text = "".join("/" + token.replace("~", "~0").replace("/", "~1") for token in reversed(self.tokens))
        text = text if len(text) <= MAX_PLACE else text[: MAX_PLACE - 1] + "…"
        return text.encode("utf-8", "backslashreplace").decode() or "the value itself"


class Unstorable(AtPlace):
    """A value is of a type that cannot be written."""


class DoesNotFit(AtPlace):
    """A value or a stored form is not what an annotation declares, or a stored form is not one of ours."""


@dataclass(repr=False, eq=False)
class Pen:
    """How a value is written.

    Attributes:
        losses: What a replay will not give back as it was; for each, the end of a sentence.
        strict: A loss, or a part that is not as declared, raises `DoesNotFit`.
        named: A declared type is written with its name, because the annotation leaves a choice.
    """

    losses: list[str]
    strict: bool = False
    named: bool = False

    def unnamed(self) -> Pen:
        """This pen, where the type is settled."""
        return Pen(self.losses, self.strict) if self.named else self

    def lose(self, loss: str) -> None:
        """Note a loss.

        Raises:
            DoesNotFit: This pen allows none.
        """
        if self.strict:
            raise DoesNotFit(loss)
        self.losses.append(loss)


def name_of(kind: type) -> str:
    """A type by its module and qualified name; a built-in one by its name alone."""
    return f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins.")


def walk(members: Iterable[A], visit: Callable[[A], B], tokens: Sequence[str] | None = None) -> list[B]:
    """Visit each member; an error learns the member's token, which is its index where there are no others."""
    found: list[B] = []
    try:
        for member in members:
            found.append(visit(member))  # noqa: PERF401 - what is found so far tells where an error was
    except AtPlace as error:
        error.tokens.append(str(len(found)) if tokens is None else tokens[len(found)])
        raise
    return found


def is_object(stored: object) -> TypeGuard[dict[str, object]]:
    """Whether stored data is a JSON object: `json` makes no other dict."""
    return isinstance(stored, dict)


def is_array(stored: object) -> TypeGuard[list[object]]:
    """Whether stored data is a JSON array."""
    return isinstance(stored, list)


def descend(levels: int) -> int:
    """The levels left inside a container.

    Raises:
        ValueError: There are none: the value is too deep, or contains itself.
    """
    if levels <= 0:
        raise ValueError(f"the result is nested deeper than {MAX_DEPTH} levels, or contains itself")
    return levels - 1


def tag_of(stored: object) -> tuple[str, object] | None:
    """The tag and its content; None of anything else."""
    if is_object(stored) and len(stored) == 1:
        [(tag, content)] = stored.items()
        return (tag, content) if tag.startswith("$") else None
    return None


def describe(stored: object) -> str:
    """Stored data in a few words: names of members and kinds, no values."""
    tag, content = tag_of(stored) or ("", stored)
    if tag == "$as" and is_array(content) and content and isinstance(content[0], str):
        return f"a {content[0][:MAX_PLACE]}"
    if tag == "$object" and is_object(content):
        content = content.get("fields", {})
    elif tag:
        return with_article(tag[1:][:MAX_PLACE])
    if is_object(content):
        shown = ", ".join(list(content)[:MAX_NAMES])[:MAX_PLACE]
        return f"an object {{{shown}{', …' if len(content) > MAX_NAMES else ''}}}"
    if is_array(content):
        return f"a list of {len(content)}"
    return "null" if content is None else with_article(type(content).__name__)


def with_article(name: str) -> str:
    """A name after its article."""
    return f"{'an' if name[:1] in 'aeiou' else 'a'} {name}"
