from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest
from click import UsageError

from idemlambda.cli._target import load_event, load_handler


def refused(target: str) -> str:
    """What `load_handler` says of a target that it refuses."""
    with pytest.raises(UsageError) as raised:
        load_handler(target)
    assert raised.value.exit_code == 2
    return raised.value.format_message()


def test_a_module_of_the_working_directory_is_found(desk: Path) -> None:
    """A module is imported from the working directory, and its handler called as it is."""
    (desk / "found_here.py").write_text("def handler(event, context): return event", "utf-8")
    assert load_handler("found_here:handler")(7, None) == 7


def test_a_file_is_a_module_of_its_folder(desk: Path) -> None:
    """A path imports the module under the name that it has in its folder, as Lambda does."""
    folder = desk / "functions" / "orders"
    folder.mkdir(parents=True)
    (folder / "orders_app.py").write_text("class Api:\n  def handler(event, context): return __name__", "utf-8")
    assert load_handler("functions/orders/orders_app.py:Api.handler")(None, None) == "orders_app"
    assert load_handler("functions/orders/orders_app:Api.handler")(None, None) == "orders_app"
    assert sys.path.count(str(folder)) == 1


@pytest.mark.parametrize("target", ["app", "app:", ":handler", "app.handler"])
def test_a_target_of_another_form_is_refused(target: str) -> None:
    """What is not MODULE:HANDLER is refused with an example."""
    assert "is not of the form MODULE:HANDLER, such as app:handler" in refused(target)


@pytest.mark.parametrize("name", ["no_such_module", "no_such_package.app"])
def test_a_missing_module_is_named_with_where_it_was_sought(name: str, desk: Path) -> None:
    """A module that does not exist is named, with the folder that it was looked for in."""
    assert f"There is no module '{name}' in {desk}" in refused(f"{name}:handler")


def test_a_missing_name_is_named_with_the_nearest_one(desk: Path) -> None:
    """A name that the module does not have is refused, with the nearest one where there is one."""
    (desk / "near_miss.py").write_text("def handler(event, context): ...", "utf-8")
    assert "near_miss has no 'handlr'. Did you mean 'handler'?" in refused("near_miss:handlr")
    assert refused("near_miss:xyz").endswith("near_miss has no 'xyz'.")


def test_what_cannot_be_called_is_refused(desk: Path) -> None:
    """A name that is no function is refused with its type."""
    (desk / "no_function.py").write_text("handler = 3", "utf-8")
    assert "no_function:handler is int, not a function" in refused("no_function:handler")


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("\nraise RuntimeError('no database')", "broken.py:2): RuntimeError: no database"),
        ("import sys\nsys.exit('bye')", "broken.py:2): SystemExit: bye"),
        ("\nimport no_such_dependency", "broken.py:2): ModuleNotFoundError: No module named 'no_such_dependency'"),
        ("def handler(:", "SyntaxError: invalid syntax (broken.py, line 1)"),
    ],
)
def test_an_import_that_fails_says_where(code: str, says: str, desk: Path) -> None:
    """A module whose own code fails is told from a missing one, with file, line and error."""
    (desk / "broken.py").write_text(code, "utf-8")
    message = refused("broken:handler")
    assert message.startswith("Importing broken failed")
    assert says in message


def test_an_event_is_read_from_a_file_or_standard_input(event: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An event comes from a JSON file, or from standard input for `-`."""
    assert load_event(event) == {"id": "order-1", "quantity": 2}
    monkeypatch.setattr(sys, "stdin", io.StringIO("[1]"))
    assert load_event("-") == [1]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b'{"id":\n  nope}', "is not JSON: Expecting value (line 2, column 3)."),
        (b"", "is not JSON: Expecting value (line 1, column 1)."),
        (b'{"a": "\xff"}', "is not UTF-8: byte 7."),
        (b"[" * 100_000, "is nested too deeply to be an event."),
    ],
)
def test_a_bad_event_is_refused_with_the_place(content: bytes, says: str, desk: Path) -> None:
    """What is not JSON is refused with line and column, before anything runs."""
    (desk / "bad.json").write_bytes(content)
    with pytest.raises(UsageError) as raised:
        load_event("bad.json")
    assert raised.value.format_message() == f"Invalid value for EVENT.json: 'bad.json' {says}"


def test_an_event_that_cannot_be_read_is_refused(desk: Path) -> None:
    """A missing file and a folder are refused by name."""
    with pytest.raises(UsageError, match=r"There is no file 'nowhere\.json'"):
        load_event("nowhere.json")
    with pytest.raises(UsageError, match="cannot be read: Is a directory"):
        load_event(str(desk))
