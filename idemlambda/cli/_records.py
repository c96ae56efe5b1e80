"""The records that attempts touched, read from the table and shown as they are."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, cast

from idemlambda.cli._watch import DynamoCall

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

Item = dict[str, object]

MILLISECONDS: Final = frozenset({"in_progress_expiration", "started", "completed"})
"""Attributes that are milliseconds since the epoch; `expiration` is in seconds, for DynamoDB's TTL."""

ORDER: Final = (
    "id", "status", "data", "encoding", "validation", "version", "attempt", "started", "completed",
    "in_progress_expiration", "expiration", "origin", "error", "digests", "format",
)  # fmt: skip
"""What a person looks for first; anything else follows, by name."""


def read_records(client: DynamoDBClient, table: str, calls: Iterable[DynamoCall]) -> list[Item]:
    """The items of `table` that these calls named, as they are now; those that are gone are left out."""
    named = [target["item"] for call in calls for target in call.targets if target["table"] == table]
    if not named:
        return []
    schema = client.describe_table(TableName=table)["Table"].get("KeySchema", [])
    names = [element["AttributeName"] for element in schema]
    keys = {json.dumps([item[name] for name in names]): {name: item[name] for name in names} for item in named if item}
    found = [client.get_item(TableName=table, Key=cast("Any", key), ConsistentRead=True) for key in keys.values()]
    return [plain(reply["Item"]) for reply in found if "Item" in reply]


def plain(item: Mapping[str, Any]) -> Item:
    """An item in plain values, in the order in which it is read."""
    names = sorted(item, key=lambda name: (ORDER.index(name) if name in ORDER else len(ORDER), name))
    return {name: value_of(item[name]) for name in names}


def value_of(attribute: Mapping[str, Any]) -> object:
    """One attribute value of DynamoDB, such as `{"N": "7"}`, in plain values; sets become sorted lists."""
    ((kind, value),) = attribute.items()
    match kind:
        case "N":
            return number(value)
        case "NS":
            return sorted(number(one) for one in value)
        case "SS" | "BS":
            return sorted(value)
        case "L":
            return [value_of(one) for one in value]
        case "M":
            return {name: value_of(one) for name, one in value.items()}
        case _:
            return None if kind == "NULL" else cast("object", value)


def number(text: str) -> int | Decimal:
    """A number as DynamoDB writes it."""
    value = Decimal(text)
    return int(value) if value == value.to_integral_value() else value


def shown(name: str, value: object) -> str:
    """One attribute for a person: times as times, bytes as their number and beginning."""
    if isinstance(value, int) and value > 0 and (name in MILLISECONDS or name == "expiration"):
        moment = datetime.fromtimestamp(value / 1000 if name in MILLISECONDS else value, UTC)
        return f"{value}  {moment:%Y-%m-%d %H:%M:%S} UTC"
    if isinstance(value, bytes):
        return f"{len(value)} bytes: {value[:12].hex(' ')}{' …' if len(value) > 12 else ''}"  # noqa: PLR2004 - a glance
    return str(value)


def jsonable(value: object) -> object:
    """What JSON has no word for, in the command's own output."""
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, Decimal):
        return float(value)
    return repr(value)
