"""Remembered errors (rule 12)."""

from __future__ import annotations

import json
import threading
from typing import cast

import pytest
from botocore.exceptions import ClientError

from idemlambda.codec import decode_error, encode_error
from idemlambda.errors import RecordUnreadable
from idemlambda.record import Body


class CardDeclined(Exception):
    """A plain error with an attribute."""

    def __init__(self, code: str, *, retry: bool = False) -> None:
        super().__init__(code)
        self.retry = retry


class Stolen(CardDeclined):
    """A subclass that is not declared."""


class Worded(Exception):
    """An error that makes a message of what it is given."""

    def __init__(self, number: int) -> None:
        super().__init__(f"order {number} failed")
        self.number = number


class Fussy(Exception):
    """An error whose constructor takes two arguments, and keeps one."""

    def __init__(self, first: str, second: object) -> None:
        super().__init__(first)
        self.second = second


class Choosy(Exception):
    """An error that makes another."""

    def __new__(cls, *args: object) -> Choosy:  # noqa: PYI034 - it does not return itself
        return cast("Choosy", Exception.__new__(Stolen if args == ("other",) else cls, *args))


def replayed(error: Exception, *types: type[Exception]) -> Exception:
    """The error as a retry gets it."""
    return decode_error(encode_error(error, types), types)


@pytest.mark.parametrize(
    "error",
    [
        ValueError("bad", 1, (2, {3: b"x"})),
        ValueError(),
        KeyError("k"),
        FileNotFoundError(2, "missing", "a.txt"),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"),
        json.JSONDecodeError("Expecting value", "doc", 2),
        CardDeclined("51", retry=True),
        Worded(7),
        Fussy("a", {"b": (1,)}),
        ClientError({"Error": {"Code": "X", "Message": "m"}}, "PutItem"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_declared_error_comes_back(error: Exception) -> None:
    """Type, message, arguments and attributes are the first error's, whatever its constructor makes of them."""
    error.add_note("seen")
    again = replayed(error, KeyboardError, type(error))
    assert type(again) is type(error)
    assert (str(again), again.args, vars(again)) == (str(error), error.args, vars(error))
    assert again.__reduce__()[1] == error.__reduce__()[1]


class KeyboardError(Exception):
    """Declared, and never raised."""


def test_a_subclass_comes_back_as_its_nearest_declared_base() -> None:
    """Only declared types are ever made: the nearest of them stands for a subclass."""
    again = replayed(Stolen("43"), Exception, CardDeclined)
    assert type(again) is CardDeclined
    assert again.args == ("43",)


def test_what_an_attribute_cannot_keep_is_left_out() -> None:
    """An attribute that cannot be stored is what the constructor makes of it."""
    error = CardDeclined("51", retry=True)
    error.lock = threading.Lock()  # type: ignore[attr-defined]  # people do
    again = replayed(error, CardDeclined)
    assert vars(again) == {"retry": True}


def test_a_constructor_that_makes_another_type_is_passed_over() -> None:
    """What comes back is of the declared type, or nothing is."""
    error = Choosy("one")
    error.args = ("other",)
    again = replayed(error, Choosy)
    assert (type(again), again.args) == (Choosy, ("other",))


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ValueError("x"), "a ValueError is not among the errors that are remembered"),
        (CardDeclined(threading.Lock()), r"the error test_remembered\.CardDeclined|at /0, a _thread\.lock cannot"),  # type: ignore[arg-type]  # on purpose
    ],
)
def test_what_cannot_be_remembered_is_a_type_error(error: Exception, message: str) -> None:
    """An undeclared error, or an argument that cannot be stored, is refused while writing."""
    with pytest.raises(TypeError, match=message):
        encode_error(error, (CardDeclined,))


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            Body('{"error":"gone.Error","args":[]}'),
            r"is a gone\.Error, which is not declared any more: remember= holds ValueError",
        ),
        (Body('{"error":["ValueError"],"args":[]}'), "not declared any more"),
        (Body('{"error":"ValueError"}'), r"is damaged: an object \{error\} is stored"),
        (Body("[]"), "is damaged: a list of 0"),
        (Body('{"error":"ValueError","args":{}}'), "its arguments are no list"),
        (Body('{"error":"ValueError","args":[],"state":[]}'), "its attributes no object"),
        (Body('{"error":"ValueError","args":[{"$no":1}]}'), r"is damaged: at /0, the tag \$no is unknown"),
        (Body('{"error":"ValueError","args":' + '[{"$tuple":' * 300 + "[]" + "}]" * 300 + "}"), "is damaged"),
        (Body('{"error":"UnicodeDecodeError","args":[1]}'), "cannot be made a UnicodeDecodeError again"),
        (Body("{"), "is damaged"),
        (Body(b"x"), "is no text"),
        (Body(None, "none"), "has the encoding 'none'"),
    ],
)
def test_an_error_that_cannot_be_read_is_refused(body: Body, message: str) -> None:
    """A type that is not declared any more, or a damaged text, is RecordUnreadable; nothing is made."""
    with pytest.raises(RecordUnreadable, match=f"^The error that this call ended with .*{message}"):
        decode_error(body, (ValueError, UnicodeDecodeError))


def test_without_declared_types_nothing_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """A record's name is compared with the declared types, and never looked up."""
    made: list[str] = []
    monkeypatch.setattr("importlib.import_module", made.append)
    with pytest.raises(RecordUnreadable, match="remember= holds none"):
        decode_error(Body('{"error":"os.system","args":["true"]}'), ())
    assert made == []


def test_the_text_is_for_people() -> None:
    """The stored error is JSON with the type's name, its arguments and its attributes."""
    body = encode_error(CardDeclined("51", retry=True), (CardDeclined,))
    stored = json.loads(str(body.data))
    assert stored == {"error": f"{CardDeclined.__module__}.CardDeclined", "args": ["51"], "state": {"retry": True}}
