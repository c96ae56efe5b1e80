"""Laws of the translation between operations and DynamoDB requests, as data."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idemlambda import ConfigError, RecordUnreadable
from idemlambda._items import ATTRIBUTES, Layout, item_from, record_from
from idemlambda.dynamodb import request_for
from idemlambda.ports import Body, Insert, Read, Record, Remove, Replace, Status

GOLDEN = Path(__file__).parents[1] / "records"
LAYOUT = Layout("records")

CLAIM = Record(
    id="n#1", status=Status.INPROGRESS, version="a:1", expiration=20, lease_end=5_000, fingerprint="f", started=1_000
)
CLAIM_ITEM = {
    "id": {"S": "n#1"},
    "status": {"S": "INPROGRESS"},
    "version": {"S": "a:1"},
    "expiration": {"N": "20"},
    "in_progress_expiration": {"N": "5000"},
    "validation": {"S": "f"},
    "attempt": {"N": "1"},
    "started": {"N": "1000"},
    "format": {"N": "1"},
}
UNCHANGED = {
    "ConditionExpression": "#version = :version AND #status = :status",
    "ExpressionAttributeNames": {"#version": "version", "#status": "status"},
    "ExpressionAttributeValues": {":version": {"S": "a:1"}, ":status": {"S": "INPROGRESS"}},
    "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
}
DONE = Record(id="n#1", status=Status.COMPLETED, version="a:2", expiration=30, body=Body(data="1"))


def test_an_insert_is_a_put_where_nothing_is() -> None:
    """`Insert` puts the whole item under attribute_not_exists, and asks for the record in the way."""
    assert request_for(Insert(CLAIM), LAYOUT) == (
        "PutItem",
        {
            "TableName": "records",
            "Item": CLAIM_ITEM,
            "ConditionExpression": "attribute_not_exists(#id)",
            "ExpressionAttributeNames": {"#id": "id"},
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        },
    )


def test_a_replace_is_a_put_over_what_was_read() -> None:
    """`Replace` puts the whole item if version and status are as read (rule 8)."""
    assert request_for(Replace(DONE, expect=CLAIM), LAYOUT) == (
        "PutItem",
        {"TableName": "records", "Item": item_from(DONE, LAYOUT), **UNCHANGED},
    )


def test_a_remove_is_a_delete_of_what_was_read() -> None:
    """`Remove` deletes by key if version and status are as read (rule 8)."""
    assert request_for(Remove(expect=CLAIM), LAYOUT) == (
        "DeleteItem",
        {"TableName": "records", "Key": {"id": {"S": "n#1"}}, **UNCHANGED},
    )


def test_a_read_is_strongly_consistent() -> None:
    """`Read` never sees an older record."""
    assert request_for(Read("n#1"), LAYOUT) == (
        "GetItem",
        {"TableName": "records", "Key": {"id": {"S": "n#1"}}, "ConsistentRead": True},
    )


def test_a_record_without_version_is_expected_field_by_field() -> None:
    """What Lambda Powertools wrote is taken over only if every field is as it was read."""
    found = record_from(
        {"id": {"S": "n#1"}, "status": {"S": "INPROGRESS"}, "expiration": {"N": "20"}, "data": {"S": "1"}}, LAYOUT
    )
    _, params = request_for(Remove(expect=found), LAYOUT)
    assert params["ConditionExpression"] == (
        "attribute_not_exists(#version) AND #status = :status AND #expiration = :expiration AND "
        "(#in_progress_expiration = :in_progress_expiration OR attribute_not_exists(#in_progress_expiration)) AND "
        "#data = :data"
    )


@pytest.mark.parametrize(
    ("layout", "key"),
    [
        (LAYOUT, {"id": {"S": "n#1"}}),
        (Layout("t", partition_key="pk"), {"pk": {"S": "n#1"}}),
        (Layout("t", partition_key="pk", sort_key="sk"), {"pk": {"S": "n#1"}, "sk": {"S": "idemlambda"}}),
        (Layout("t", sort_key="sk", partition_value="all"), {"id": {"S": "all"}, "sk": {"S": "n#1"}}),
    ],
)
def test_a_record_has_its_key_in_each_layout(layout: Layout, key: dict[str, Any]) -> None:
    """The id stands where the layout says, and a record is read back from there."""
    assert layout.key("n#1") == key
    assert record_from(item_from(CLAIM, layout), layout) == CLAIM


def test_attributes_can_have_other_names() -> None:
    """Custom names hold in the item, in the conditions, and on the way back."""
    layout = Layout("t", names={"status": "state", "version": "fence", "data": "result"})
    item = item_from(DONE, layout)
    assert {"state", "fence", "result"} <= set(item)
    assert not {"status", "version", "data"} & set(item)
    assert record_from(item, layout) == DONE
    _, params = request_for(Remove(expect=DONE), layout)
    assert params["ExpressionAttributeNames"] == {"#version": "fence", "#status": "state"}


@pytest.mark.parametrize(
    "wrong",
    [
        {"table": ""},
        {"table": "t", "partition_value": "all"},
        {"table": "t", "names": {"colour": "c"}},
        {"table": "t", "names": {"status": "version"}},
        {"table": "t", "partition_key": "status"},
        {"table": "t", "sort_key": "id"},
    ],
)
def test_a_layout_that_makes_no_sense_is_refused(wrong: dict[str, Any]) -> None:
    """A layout in which attributes would overwrite each other is a `ConfigError`."""
    with pytest.raises(ConfigError):
        Layout(**wrong)


bodies = st.builds(Body, data=st.none() | st.text() | st.binary(), encoding=st.sampled_from(["deflate", "none"]))
records = st.builds(
    Record,
    id=st.text(min_size=1),
    status=st.sampled_from(Status),
    version=st.text(min_size=1),
    expiration=st.integers(0, 10**12),
    fingerprint=st.text(),
    digests=st.binary(),
    body=st.none() | bodies | st.builds(Body, data=st.text()),
    steps=st.dictionaries(st.text(min_size=1), bodies | st.builds(Body, data=st.text()), max_size=3),
    attempt=st.integers(0, 10**6),
    started=st.integers(0, 10**15),
    completed=st.integers(0, 10**15),
    origin=st.text(),
    error=st.text(),
)


@given(records)
def test_a_record_survives_its_item(record: Record) -> None:
    """From record to item and back is the identity."""
    assert record_from(item_from(record, LAYOUT), LAYOUT) == record


def binary(item: Any) -> Any:
    """Items from JSON, with their binary values decoded."""
    if isinstance(item, dict):
        return {name: base64.b64decode(value) if name == "B" else binary(value) for name, value in item.items()}
    return item


GOLDEN_ITEMS = {
    f"{path.stem}: {name}": binary(item)
    for path in sorted(GOLDEN.glob("*.json"))
    for name, item in json.loads(path.read_text(encoding="utf-8")).items()
}


@pytest.mark.parametrize("name", GOLDEN_ITEMS)
def test_released_records_are_read_for_ever(name: str) -> None:
    """Every golden record is read, and written back as it was but for its defaults."""
    item = GOLDEN_ITEMS[name]
    record = record_from(item, LAYOUT)
    assert item.items() <= (item_from(record, LAYOUT) | item).items()
    assert {key: value for key, value in item_from(record, LAYOUT).items() if key in item} == item


S, N, B = {"S": "x"}, {"N": "1"}, {"B": b"x"}
M: dict[str, Any] = {"M": {}}
POISON: list[dict[str, Any]] = [
    {"id": None},
    {"id": N},
    {"status": None},
    {"status": N},
    {"status": {"S": "DONE"}},
    {"status": {"S": "completed"}},
    {"status": {"S": ""}},
    {"version": N},
    {"version": B},
    {"expiration": None},
    {"expiration": S},
    {"expiration": {"N": "soon"}},
    {"expiration": {"N": "1.5"}},
    {"expiration": {"N": "-1"}},
    {"expiration": {"N": "1E+3"}},
    {"expiration": {"N": "9" * 30}},
    {"expiration": {"N": "٣"}},
    {"expiration": {"N": 5}},
    {"expiration": 5},
    {"expiration": {}},
    {"in_progress_expiration": S},
    {"in_progress_expiration": {"N": "NaN"}},
    {"in_progress_expiration": {"NULL": True}},
    {"validation": N},
    {"validation": M},
    {"digests": S},
    {"digests": {"B": "text"}},
    {"data": N},
    {"data": M},
    {"data": "text"},
    {"encoding": N},
    {"steps": S},
    {"steps": "text"},
    {"steps": {"M": "x"}},
    {"steps": {"M": {"a": S}}},
    {"steps": {"M": {"a": {"M": {"data": N}}}}},
    {"steps": {"M": {"a": {"M": {"encoding": B}}}}},
    {"attempt": S},
    {"started": {"N": ""}},
    {"completed": B},
    {"origin": N},
    {"error": M},
    {"format": S},
    {"format": {"N": "2"}},
    {"format": {"N": "1.0"}},
]


@pytest.mark.parametrize("poison", POISON, ids=str)
def test_a_poisoned_record_is_refused_precisely(poison: dict[str, Any]) -> None:
    """A record of wrong types or a newer format is `RecordUnreadable`, which names the attribute or the format."""
    item = {name: value for name, value in (CLAIM_ITEM | poison).items() if value is not None}
    with pytest.raises(RecordUnreadable, match=f"{next(iter(poison))}.* left as it was"):
        record_from(item, LAYOUT)


def test_unknown_attributes_are_left_alone() -> None:
    """What others keep in an item does not stop a record from being read."""
    assert record_from(CLAIM_ITEM | {"colour": {"S": "red"}}, LAYOUT) == CLAIM


def test_the_list_of_attributes_is_complete() -> None:
    """`ATTRIBUTES` names all that a record writes, so that all can be renamed."""
    full = Record(
        id="n#1", status=Status.INPROGRESS, version="a:1", expiration=1, lease_end=1, fingerprint="f", digests=b"d",
        body=Body(data=b"1", encoding="deflate"), steps={"a": Body(data="1")}, started=1, completed=1, origin="o",
        error="e",
    )  # fmt: skip
    assert set(item_from(full, LAYOUT)) == {"id", *ATTRIBUTES}
