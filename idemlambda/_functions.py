"""Which functions can be made idempotent, and what they and their parameters are called."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Iterable
from typing import Final

from idemlambda.errors import ConfigError
from idemlambda.invocation import function_name

NO_PARAMETERS: Final[tuple[str, ...]] = ()


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


_named: dict[str, tuple[str, int]] = {}
"""Where the function of each implicit namespace stands; the one thing here that decorators write down."""
_named_lock = threading.Lock()


def implicit_namespace(function: Callable[..., object], prefix: str | None) -> str:
    """`{function name}.{module}.{qualname}`: two decorated functions never share keys by accident (rule 21).

    Raises:
        ConfigError: The function has no name of its own, or another function has the same one.
    """
    code = getattr(function, "__code__", None)
    qualname: str = getattr(function, "__qualname__", "")
    if code is None or qualname.endswith("<lambda>"):
        raise ConfigError(f"{name_of(function)} has no name that stays the same: give it one with namespace=.")
    namespace = f"{prefix or function_name()}.{function.__module__}.{qualname}"
    place = (code.co_filename, code.co_firstlineno)
    with _named_lock:
        if _named.setdefault(namespace, place) != place:
            raise ConfigError(
                f"Two functions are called {namespace} (line {_named[namespace][1]} and line {place[1]}), and would "
                "share their keys: rename one, or give it a namespace=."
            )
    return namespace


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
