from __future__ import annotations

from decimal import Decimal

import pytest

from idemlambda.cli._aws import dynamodb_client
from idemlambda.cli._records import jsonable, plain, read_records, shown, value_of
from idemlambda.cli._watch import DynamoCall


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        ({"S": "a"}, "a"),
        ({"N": "7"}, 7),
        ({"N": "1.5"}, Decimal("1.5")),
        ({"B": b"\x00\x01"}, b"\x00\x01"),
        ({"BOOL": False}, False),
        ({"NULL": True}, None),
        ({"SS": ["b", "a"]}, ["a", "b"]),
        ({"NS": ["2", "1"]}, [1, 2]),
        ({"L": [{"N": "1"}, {"S": "a"}]}, [1, "a"]),
        ({"M": {"steps": {"M": {"a": {"N": "1"}}}}}, {"steps": {"a": 1}}),
    ],
)
def test_attribute_values_are_read_plainly(attribute: dict[str, object], value: object) -> None:
    """Each kind of DynamoDB attribute value has its plain value."""
    assert value_of(attribute) == value
    assert type(value_of(attribute)) is type(value)


def test_a_record_is_shown_in_reading_order() -> None:
    """Attributes come in the order in which a person looks for them; unknown ones at the end."""
    item = {name: {"S": "x"} for name in ("zebra", "format", "apple", "data", "status", "id")}
    assert list(plain(item)) == ["id", "status", "data", "format", "apple", "zebra"]


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("expiration", 1_764_008_788, "1764008788  2025-11-24 18:26:28 UTC"),
        ("started", 1_764_008_788_000, "1764008788000  2025-11-24 18:26:28 UTC"),
        ("in_progress_expiration", 0, "0"),
        ("attempt", 2, "2"),
        ("digests", b"\x01\x02", "2 bytes: 01 02"),
        ("digests", bytes(16), "16 bytes: 00 00 00 00 00 00 00 00 00 00 00 00 …"),
    ],
)
def test_times_and_bytes_are_shown_for_people(name: str, value: object, text: str) -> None:
    """Times are told in UTC beside their number, bytes by their number and beginning."""
    assert shown(name, value) == text


def test_json_has_a_word_for_everything() -> None:
    """Bytes go out as Base64, numbers as numbers, and whatever a handler returned by its text."""
    assert [jsonable(value) for value in (b"\x00", Decimal("1.5"), {1}.__class__)] == ["AA==", 1.5, "<class 'set'>"]


def test_only_the_named_items_of_the_table_are_read(table: str) -> None:
    """Of what calls name, the items of this table are read, each once; those that are gone are left out."""
    client = dynamodb_client()
    client.put_item(TableName=table, Item={"id": {"S": "a"}, "n": {"N": "1"}})
    client.put_item(TableName=table, Item={"id": {"S": "other"}})
    calls = [
        DynamoCall("PutItem", ({"table": table, "item": {"id": {"S": "a"}, "n": {"N": "0"}}},)),
        DynamoCall("GetItem", ({"table": table, "item": {"id": {"S": "a"}}},)),
        DynamoCall("GetItem", ({"table": table, "item": {"id": {"S": "gone"}}},)),
        DynamoCall("GetItem", ({"table": "elsewhere", "item": {"id": {"S": "x"}}},)),
        DynamoCall("Scan", ({"table": table, "item": {}},)),
    ]
    assert read_records(client, table, calls) == [{"id": "a", "n": 1}]
    assert read_records(client, table, calls[3:4]) == []
    client.close()
