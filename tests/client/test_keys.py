from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal, localcontext
from enum import IntEnum, StrEnum
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idemlambda.client import derive_key, new_key
from idemlambda.http._header import client_key

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = json.loads((ROOT / "tests/keys/derived.json").read_text(encoding="utf-8"))["derived"]

READERS: dict[str, Callable[[str], Any]] = {
    "uuid": UUID,
    "decimal": Decimal,
    "date": date.fromisoformat,
    "datetime": datetime.fromisoformat,
    "bytes": bytes.fromhex,
}

PARTS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"])),
    st.integers(),
    st.binary(),
    st.uuids(),
    st.decimals(allow_nan=False, allow_infinity=False),
    st.dates(),
    st.datetimes(timezones=st.just(UTC)),
)


class Colour(StrEnum):
    RED = "red"


class Size(IntEnum):
    LARGE = 3


def read(part: Any) -> Any:
    """A part from its golden spelling: ``{"!kind": text}`` for what JSON has no word for."""
    if not isinstance(part, dict):
        return part
    ((kind, text),) = part.items()
    return READERS[kind.removeprefix("!")](text)


@pytest.mark.parametrize("line", GOLDEN, ids=lambda line: json.dumps(line["parts"])[:40])
def test_no_release_changes_a_derived_key(line: dict[str, Any]) -> None:
    """A derived key is the same in every release: another one would carry out again what is done."""
    assert derive_key(*map(read, line["parts"])) == line["key"]


def test_a_derived_key_is_the_same_in_every_process() -> None:
    """Another process, with other hash seeds, derives the same key."""
    done = subprocess.run(
        [sys.executable, "-c", "from idemlambda.client import derive_key; print(derive_key('order', 7))"],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": "4711"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.strip() == derive_key("order", 7)


@given(st.lists(PARTS, min_size=1, max_size=4), st.lists(PARTS, min_size=1, max_size=4))
def test_parts_have_one_key_if_and_only_if_they_are_equal(left: list[Any], right: list[Any]) -> None:
    """Different parts never share a key, and equal ones of the same kinds always do."""

    def kinds(parts: list[Any]) -> list[Any]:
        return [(type(part), part) for part in parts]

    assert (derive_key(*left) == derive_key(*right)) is (kinds(left) == kinds(right))


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (("ab", "c"), ("a", "bc")),
        (("a", ""), ("a",)),
        (("1",), (1,)),
        ((1,), (Decimal(1),)),
        ((b"a",), ("a",)),
        ((date(2024, 2, 29),), ("2024-02-29",)),
        ((date(2024, 2, 29),), (datetime(2024, 2, 29, tzinfo=UTC),)),
        (("\u00e9",), ("e\u0301",)),
        ((UUID(int=1),), (UUID(int=1).hex,)),
        ((UUID(int=1),), (UUID(int=1).bytes,)),
        ((Decimal("0.1"),), (Decimal("-0.1"),)),
        ((1, 1), (11,)),
    ],
)
def test_parts_that_look_alike_differ(left: tuple[Any, ...], right: tuple[Any, ...]) -> None:
    """Where one part ends and of what kind it is are in the key."""
    assert derive_key(*left) != derive_key(*right)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (Decimal("1.10"), Decimal("1.1")),
        (Decimal(100), Decimal("1e2")),
        (Decimal("0.00"), Decimal("-0")),
        (Colour.RED, "red"),
        (Size.LARGE, 3),
        (datetime(2024, 1, 1, 12, tzinfo=UTC), datetime(2024, 1, 1, 14, tzinfo=timezone(timedelta(hours=2)))),
    ],
)
def test_what_is_equal_has_one_key(left: Any, right: Any) -> None:
    """A value has one spelling, however it was written."""
    assert derive_key(left) == derive_key(right)


def test_a_decimal_keeps_every_digit() -> None:
    """The context's precision rounds no part: two amounts never become one."""
    with localcontext() as context:
        context.prec = 2
        assert derive_key(Decimal("123.45")) != derive_key(Decimal("123.46"))


def test_an_integer_may_have_any_length() -> None:
    """Python's limit for writing integers in decimal is none for keys."""
    assert derive_key(10**5000) != derive_key(10**5000 + 1)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ((), "needs a part"),
        ((0.1,), r"part 1 is of type float; .*pass a Decimal"),
        (("a", None), r"part 2 is of type NoneType; parts are str, int, bytes, .*pass its text"),
        ((True,), "part 1 is of type bool"),
        ((["a"],), "part 1 is of type list"),
    ],
)
def test_a_type_without_one_spelling_is_refused(parts: tuple[Any, ...], message: str) -> None:
    """What has no single spelling is no part, and the error says which it was and what to pass."""
    with pytest.raises(TypeError, match=message):
        derive_key(*parts)


@pytest.mark.parametrize(
    ("part", "message"),
    [
        (Decimal("NaN"), "part 1 is NaN, which is no number"),
        (Decimal("-Infinity"), "part 1 is -Infinity, which is no number"),
        (datetime(2024, 1, 1), "part 1 is a datetime without an offset"),  # noqa: DTZ001 - that is the point
        ("a\ud800", "part 1 is text with a lone surrogate at index 1"),
    ],
)
def test_a_value_that_means_nothing_elsewhere_is_refused(part: Any, message: str) -> None:
    """A value that another machine reads otherwise, or that equals nothing, makes no key."""
    with pytest.raises(ValueError, match=message):
        derive_key(part)


def test_a_new_key_is_a_random_uuid() -> None:
    """No two new keys are equal, and each is a UUID of version 4."""
    keys = [new_key() for _ in range(100)]
    assert len(set(keys)) == 100
    assert {UUID(key).version for key in keys} == {4}


@pytest.mark.parametrize("key", [new_key(), derive_key("größe", 1)], ids=["new", "derived"])
def test_a_key_is_one_that_the_server_takes_as_it_is(key: str) -> None:
    """Both kinds of key are bare: the server reads back the same characters, without quotes."""
    assert re.fullmatch(r"[0-9a-f-]{36,64}", key)
    assert client_key([key], "Idempotency-Key") == key
