"""From what the user typed to a handler and an event, or to an error that says what is wrong with it."""

from __future__ import annotations

import difflib
import importlib
import json
import sys
from pathlib import Path
from typing import Final, cast

from click import BadParameter, UsageError

from idemlambda.cli._attempts import Handler
from idemlambda.cli._places import place_of

FORM: Final = "MODULE:HANDLER, such as app:handler or functions/orders/app.py:handler"


def bad_target(message: str) -> BadParameter:
    """The error that says what is wrong with MODULE:HANDLER."""
    return BadParameter(message, param_hint="MODULE:HANDLER")


def bad_event(message: str) -> BadParameter:
    """The error that says what is wrong with EVENT.json."""
    return BadParameter(message, param_hint="EVENT.json")


def load_handler(target: str) -> Handler:
    """Import a handler, with the working directory (or its file's folder) on the path, as Lambda has it.

    Raises:
        BadParameter: There is no such module or name, or it is nothing to call.
        UsageError: The module is there, and its import fails.
    """
    place, _, names = target.partition(":")
    if not place or not names:
        raise bad_target(f"{target!r} is not of the form {FORM}.")
    folder, name = split(place)
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    found: object = import_module(name, folder)
    for part in names.split("."):
        if not hasattr(found, part):
            raise bad_target(f"{place} has no {names!r}.{suggestion(part, found)}")
        found = getattr(found, part)
    if not callable(found):
        raise bad_target(f"{target} is {type(found).__name__}, not a function.")
    return cast("Handler", found)


def split(place: str) -> tuple[Path, str]:
    """The folder to import from, and the module's name in it."""
    if "/" in place or place.endswith(".py"):
        path = Path(place).absolute()
        return path.parent, path.name.removesuffix(".py")
    return Path.cwd(), place


def import_module(name: str, folder: Path) -> object:
    """Import a module by name.

    Raises:
        BadParameter: There is none.
        UsageError: Its own code fails.
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
            raise bad_target(f"There is no module {name!r} in {folder}, nor on the path.") from error
        raise UsageError(import_failure(name, error)) from error
    except (Exception, SystemExit) as error:
        raise UsageError(import_failure(name, error)) from error


def import_failure(name: str, error: BaseException) -> str:
    """Says where the code of a module failed, in one line."""
    place = "" if isinstance(error, SyntaxError) else place_of(error)  # a SyntaxError's message names file and line
    return f"Importing {name} failed{place}: {type(error).__name__}: {error}"


def suggestion(name: str, holder: object) -> str:
    """The nearest name that there is, for a slip of the pen."""
    near = difflib.get_close_matches(name, [known for known in dir(holder) if not known.startswith("_")], n=1)
    return f" Did you mean {near[0]!r}?" if near else ""


def load_event(path: str) -> object:
    """Read an event from a JSON file, or from standard input for `-`.

    Raises:
        BadParameter: It cannot be read, or is not JSON; says where.
    """
    try:
        text = sys.stdin.read() if path == "-" else Path(path).read_text("utf-8")
    except FileNotFoundError:
        raise bad_event(f"There is no file {path!r}.") from None
    except OSError as error:
        raise bad_event(f"{path!r} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise bad_event(f"{path!r} is not UTF-8: byte {error.start}.") from error
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise bad_event(f"{path!r} is not JSON: {error.msg} (line {error.lineno}, column {error.colno}).") from error
    except RecursionError:
        raise bad_event(f"{path!r} is nested too deeply to be an event.") from None
