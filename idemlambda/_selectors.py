"""What picks a key, payload or scope from an event or from arguments: JMESPath expressions and callables."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence, Sized
from itertools import accumulate
from typing import TYPE_CHECKING, Final, TypedDict, cast

from idemlambda.canonical import plain
from idemlambda.errors import ConfigError, IdempotencyError, KeyInvalid, KeyMissing

if TYPE_CHECKING:
    from jmespath.functions import Functions
    from jmespath.parser import ParsedResult

__all__ = ["Selector", "compile_selector", "short"]

Selector = str | Callable[..., object]
"""What picks a key, payload or scope: a JMESPath expression, or a callable that gets the arguments as they are."""

POWERTOOLS_FUNCTIONS: Final = frozenset({"powertools_json", "powertools_base64", "powertools_base64_gzip"})
BASE64_FUNCTIONS: Final = frozenset({"powertools_base64", "powertools_base64_gzip"})

QUOTING: Final = '. Names of other characters than letters, digits and _ are written in double quotes: "order-id"'
"""What most often is wrong where an expression holds a character that JMESPath does not know."""

NAMES_SHOWN: Final = 10
"""Names of an event that a message lists: a person sees a typing error among ten, and a log stays short."""

NAME_LENGTH: Final = 40
"""Characters of each of those names."""

CHAINS: Final = frozenset({"subexpression", "index_expression", "pipe"})
"""Nodes of JMESPath whose children are steps, each searched in what the one before has found."""

NOTHING: Final = frozenset({"null", "NoneType"})
"""JMESPath's words for a null, as a value and inside an array."""


class _Node(TypedDict):
    """A node of JMESPath's syntax tree; a few types of node have no `value`."""

    type: str
    value: object
    children: list[_Node]


def compile_selector(selector: Selector, *, what: str) -> Callable[..., object]:
    """A selector as a function from the arguments to what it selects.

    A JMESPath expression takes one argument, an event or the arguments by name. A callable takes what is given.

    Args:
        selector: A JMESPath expression or a callable.
        what: "key", "payload" or "scope": for messages, and only a payload may be empty.

    Raises:
        ConfigError: The expression has an error, names an unknown function, or needs a package that is missing.
        KeyMissing: From the function: a part is not there.
        KeyInvalid: From the function: the event's data cannot be read as the expression says.
    """
    if isinstance(selector, str):
        return _Path(selector, what)
    if not callable(selector):
        kind = type(cast("object", selector)).__qualname__
        raise ConfigError(f"{what}= takes a JMESPath expression or a callable, not a value of type {kind}.")
    if inspect.iscoroutinefunction(selector):
        raise ConfigError(f"The {what} callable is async: a {what} is selected before anything runs.")
    return _Called(selector, what)


class _Called:
    """A callable selector."""

    def __init__(self, selector: Callable[..., object], what: str) -> None:
        self._selector = selector
        self._what = what

    def __call__(self, *args: object, **kwargs: object) -> object:
        """What the callable returns for the arguments as they are."""
        try:
            found = self._selector(*args, **kwargs)
        except LookupError as error:
            raise KeyMissing(
                f"The {self._what} callable found no {self._what}: {type(error).__name__}: {short(str(error))}",
                part=self._what,
            ) from error
        if isinstance(found, Coroutine):
            found.close()
            raise ConfigError(f"The {self._what} callable is async: a {self._what} is selected before anything runs.")
        if found is None:
            raise KeyMissing(f"The {self._what} callable returned None.", part=self._what)
        parts = _parts_of(found)
        if self._what != "payload" and None in parts:
            at = parts.index(None) + 1
            raise KeyMissing(f"The {self._what} callable found nothing at part {at}.", part=self._what)
        return _not_empty(found, self._what, f"The {self._what} callable")


class _Path:
    """A JMESPath expression, compiled once."""

    def __init__(self, expression: str, what: str) -> None:
        self._what = what
        self._name = f"The {what} {expression!r}"
        self._root = cast("_Node", _parsed(expression, self._name).parsed)
        self._search = _searcher(self._root, self._name)

    def __call__(self, data: object) -> object:
        """What the expression finds in an event, or in arguments by name."""
        from jmespath.exceptions import JMESPathTypeError

        event = plain(data)
        try:
            found = self._search(self._root, event)
            missing = self._gap(self._root, event) if found is None else _hole(self._root, found)
        except IdempotencyError:
            raise
        except JMESPathTypeError as error:
            # Its own text quotes the value, and no value belongs in a message.
            if error.actual_type in NOTHING:
                raise KeyMissing(
                    f"{self._name} finds nothing to give to {error.function_name}(). {_listing(event)}", part=self._what
                ) from None
            expected = " or ".join(error.expected_types)
            raise KeyInvalid(
                f"{self._name} gives {error.function_name}() a value of type {error.actual_type}; it takes {expected}."
            ) from None
        except Exception as error:
            raise KeyInvalid(f"{self._name} does not suit the event: {type(error).__name__}: {error}.") from error
        if missing is not None:
            raise KeyMissing(f"{self._name} finds nothing{missing}. {_listing(event)}", part=self._what)
        return _not_empty(found, self._what, self._name)

    def _gap(self, node: _Node, event: object) -> str:
        """Where an expression without result leaves off: the shortest beginning of it that has none."""
        if node["type"] in CHAINS:
            steps = node["children"]
            results = list(accumulate(steps, lambda found, step: self._search(step, found), initial=event))
            reached = results.index(None, 1)
            if reached == 1:
                return self._gap(steps[0], event)
            node = {**node, "children": steps[:reached]}
        return f" at {text}" if (text := _text(node)) else ""


def _parsed(expression: str, name: str) -> ParsedResult:
    try:
        import jmespath
        from jmespath.exceptions import JMESPathError, LexerError, ParseError
    except ImportError:
        raise ConfigError(f"{name} is JMESPath, which is not installed: install idemlambda[aws].") from None
    try:
        return jmespath.compile(expression)
    except LexerError as error:
        place, word = error.lexer_position, error.message + QUOTING
    except ParseError as error:
        place, word = error.lex_position, error.msg
    except JMESPathError as error:
        place, word = 0, str(error)
    raise ConfigError(f"{name} is no JMESPath expression, from position {place} on: {word.rstrip('.')}.")


def _searcher(root: _Node, name: str) -> Callable[[_Node, object], object]:
    """What evaluates a node of this tree; its functions are known to be there, and to take so many arguments."""
    from jmespath.visitor import Options, TreeInterpreter

    called = [node for node in _walk(root) if node["type"] == "function_expression"]
    functions = _functions(frozenset(str(node["value"]) for node in called), name)
    table = cast("Mapping[str, Mapping[str, Sequence[Mapping[str, object]]]]", functions.FUNCTION_TABLE)
    for node in called:
        function, given = str(node["value"]), len(node["children"])
        if function not in table:
            raise ConfigError(f"{name} calls {function}(), which JMESPath does not have.")
        takes = table[function]["signature"]
        is_open = bool(takes) and bool(takes[-1].get("variadic"))
        if given < len(takes) or (given > len(takes) and not is_open):
            raise ConfigError(f"{name} calls {function}() with {given} arguments; it takes {len(takes)}.")
    return cast("Callable[[_Node, object], object]", TreeInterpreter(Options(custom_functions=functions)).visit)


def _functions(called: frozenset[str], name: str) -> Functions:
    """JMESPath's functions, and Lambda Powertools' where one of those is called."""
    from jmespath.exceptions import JMESPathError
    from jmespath.functions import Functions

    if not called & POWERTOOLS_FUNCTIONS:
        return Functions()
    try:
        from aws_lambda_powertools.utilities.jmespath_utils import PowertoolsFunctions
    except ImportError:
        wanted = ", ".join(sorted(called & POWERTOOLS_FUNCTIONS))
        raise ConfigError(f"{name} calls {wanted}: install idemlambda[powertools].") from None

    class Careful(PowertoolsFunctions):
        """The same functions; data that they cannot read is told of, not skipped."""

        def call_function(self, function_name: str, resolved_args: Iterable[object]) -> object:
            arguments = list(resolved_args)
            try:
                if function_name in BASE64_FUNCTIONS:
                    _check_base64(arguments[0])
                return cast("object", super().call_function(function_name, arguments))
            except (JMESPathError, IdempotencyError):
                raise
            except Exception as error:
                raise KeyInvalid(f"{name}: {function_name}() cannot read the event's data: {error}.") from error

    return Careful()


def _check_base64(text: object) -> None:
    """Refuse what the decoder would skip: two bodies that differ in it would be one key. Line breaks are usual."""
    import base64

    if isinstance(text, str):
        base64.b64decode("".join(text.split()), validate=True)


def _walk(node: _Node) -> Iterator[_Node]:
    yield node
    if node["type"] != "slice":  # whose children are numbers
        for child in node["children"]:
            yield from _walk(child)


def _hole(node: _Node, found: object) -> str | None:
    """The first part of a multiselect, `[a, b]` or `{x: a}`, that is None in its result; None where all are there."""
    kind, children = node["type"], node["children"]
    if kind == "multi_select_list" and isinstance(found, list):
        pairs = [(f"part {at}", child) for at, child in enumerate(children, start=1)]
        return _hole_among(pairs, cast("list[object]", found))
    if kind == "multi_select_dict" and isinstance(found, dict):
        pairs = [(f"part {child['value']}", child["children"][0]) for child in children]
        return _hole_among(pairs, list(cast("dict[str, object]", found).values()))
    if kind in CHAINS or kind == "and_expression":
        return _hole(children[-1], found)
    if kind in {"projection", "value_projection", "filter_projection"} and isinstance(found, list):
        return next(filter(None, (_hole(children[1], item) for item in cast("list[object]", found))), None)
    if kind == "or_expression":
        return _hole(children[0], found) or _hole(children[1], found)
    return None


def _hole_among(parts: list[tuple[str, _Node]], results: list[object]) -> str | None:
    for (label, node), result in zip(parts, results, strict=False):
        if result is None:
            return f" at {label} ({text})" if (text := _text(node)) else f" at {label}"
        if hole := _hole(node, result):
            return hole
    return None


def _text(node: _Node) -> str:
    """A chain of names and indices as it is written; empty for anything else."""
    kind, children = node["type"], node["children"]
    if kind == "field":
        return str(node["value"])
    if kind == "index":
        return f"[{node['value']}]"
    if kind in {"subexpression", "index_expression"}:
        texts = [_text(child) for child in children]
        return ("." if kind == "subexpression" else "").join(texts) if all(texts) else ""
    return ""


def _listing(event: object) -> str:
    """What there is at the top level of an event, in a few words."""
    if not isinstance(event, dict):
        return f"There is no name in it: it is of type {type(event).__qualname__}."
    names = [short(str(name)) for name in cast("dict[object, object]", event)]
    more = f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
    return f"At the top level there is: {', '.join(names[:NAMES_SHOWN]) or 'nothing'}{more}."


def short(text: str) -> str:
    """A name for a message, cut with an ellipsis at `NAME_LENGTH` characters."""
    return text if len(text) <= NAME_LENGTH else text[: NAME_LENGTH - 1] + "…"


def _parts_of(found: object) -> Sequence[object]:
    """The parts of a selected tuple or list; none of anything else."""
    return cast("Sequence[object]", found) if isinstance(found, tuple | list) else ()


def _not_empty(found: object, what: str, name: str) -> object:
    """Refuse an empty key or scope: it would be one for all calls. An empty payload is a payload like any other."""
    if what != "payload" and isinstance(found, Sized) and len(found) == 0:
        raise KeyMissing(
            f"{name} is empty ({type(found).__qualname__}), and would be the same for all calls.", part=what
        )
    return found
