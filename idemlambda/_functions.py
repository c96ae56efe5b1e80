"""Which functions can be made idempotent, and what they and their parameters are called."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Iterable
from types import CellType
from typing import Final
from weakref import WeakKeyDictionary

from idemlambda.errors import ConfigError
from idemlambda.invocation import function_name

NO_PARAMETERS: Final[tuple[str, ...]] = ()

PLAIN: Final = (str, bytes, int, float, type)
"""Values that make two functions of one factory different for sure; of others nobody can tell."""


def check_callable(function: object) -> None:
    """Refuse, while decorating, what cannot be made idempotent.

    Raises:
        ConfigError: Says why, and what to do.
    """
    if isinstance(function, staticmethod | classmethod):
        kind = "staticmethod" if isinstance(function, staticmethod) else "classmethod"
        raise ConfigError(f"Put @{kind} above the idempotent decorator, not below it.")
    if not callable(function):
        raise ConfigError(f"A function is expected, not {function!r}: give key= and the like by name.")
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise ConfigError(f"{name_of(function)} is a generator: its result is not there to be stored when it returns.")


Place = tuple[str, int, tuple[object, ...]]
"""Where a function stands, and what its closure holds."""

_named: WeakKeyDictionary[object, dict[str, Place]] = WeakKeyDictionary()
"""Where the function of each implicit namespace stands, store by store, since only records of one store can meet; the
one thing here that decorators write down."""
_named_lock = threading.Lock()


def implicit_namespace(function: Callable[..., object], prefix: str | None, store: object) -> str:
    """`{function name}.{module}.{qualname}`: two decorated functions never share keys by accident (rule 21).

    Raises:
        ConfigError: The function has no name of its own, or another function has the same one.
    """
    own = inspect.unwrap(function)
    code = getattr(own, "__code__", None)
    qualname: str = getattr(function, "__qualname__", "")
    if code is None or qualname.endswith("<lambda>"):
        raise ConfigError(f"{name_of(function)} has no name that stays the same: give it one with namespace=.")
    namespace = f"{prefix or function_name()}.{function.__module__}.{qualname}"
    place = (code.co_filename, code.co_firstlineno, closed_over(own))
    with _named_lock:
        there = _named.setdefault(store, {}).setdefault(namespace, place)
    if there != place:
        raise ConfigError(
            f"Two functions are called {namespace} (line {there[1]} and line {place[1]}; one factory's functions "
            "differ in what they close over), and would share their keys: give each a namespace=."
        )
    return namespace


def handler_parameters(function: Callable[..., object]) -> tuple[int, str, str]:
    """Where a Lambda handler's event stands among its arguments, and the names of event and context.

    Raises:
        ConfigError: It is no handler.
    """
    names = own_parameters(function)
    if len(names) < 2:  # noqa: PLR2004 - an event and a context
        raise ConfigError(f"{name_of(function)} is no Lambda handler: it does not take an event and a context.")
    return bound_first(function), names[0], names[1]


def closed_over(function: Callable[..., object]) -> tuple[object, ...]:
    """The plain values in a function's closure: by them one factory's functions are told apart."""
    cells = getattr(function, "__closure__", None) or ()
    return tuple(value for cell in cells if isinstance(value := content_of(cell), PLAIN))


def content_of(cell: CellType) -> object:
    """What a closure's cell holds; None for one that is filled later."""
    try:
        return cell.cell_contents
    except ValueError:
        return None


def is_coroutine_function(function: Callable[..., object]) -> bool:
    """Whether calling the function gives a coroutine: an `async def`, or an object whose call is one."""
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)


def parameters_of(function: Callable[..., object]) -> tuple[str, ...]:
    """The names of a callable's parameters; none where it does not tell (some builtins)."""
    try:
        return tuple(inspect.signature(function).parameters)
    except ValueError:
        return NO_PARAMETERS


def own_parameters(function: Callable[..., object]) -> tuple[str, ...]:
    """The names of a function's parameters, without `self` or `cls`."""
    return parameters_of(function)[bound_first(function) :]


def bound_first(function: Callable[..., object]) -> int:
    """1 for a method, whose first argument is its object and no part of a call's key; 0 otherwise."""
    owner = getattr(function, "__qualname__", "").rpartition(".")[0]
    is_in_class = owner != "" and not owner.endswith("<locals>")
    return int(is_in_class and parameters_of(function)[:1] in {("self",), ("cls",)})


def name_of(function: object) -> str:
    """A function's name for a message."""
    return getattr(function, "__qualname__", None) or repr(function)


def refuse_unknown(given: Iterable[str], known: Iterable[str], *, of: str) -> None:
    """Refuse, while decorating, an option that nobody would read.

    Raises:
        ConfigError: Names it, and what was probably meant.
    """
    there = list(known)
    for name in given:
        if name not in there:
            from difflib import get_close_matches

            meant = "".join(f"; did you mean {match!r}?" for match in get_close_matches(name, there, n=1))
            raise ConfigError(f"{of} has no option {name!r}{meant or '.'} There are: {', '.join(sorted(there))}.")
