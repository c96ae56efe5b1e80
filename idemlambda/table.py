"""The table: its definition, its making and its check."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol, cast

TTL_ATTRIBUTE: Final = "expiration"
"""The attribute by which DynamoDB deletes expired records: seconds since the epoch."""

ACTIVE_TTL: Final = frozenset({"ENABLED", "ENABLING"})


class TableClient(Protocol):
    """What is used of a boto3 DynamoDB client to make and check a table."""

    @property
    def create_table(self) -> Callable[..., Any]:
        """Create a table."""
        ...

    @property
    def update_time_to_live(self) -> Callable[..., Any]:
        """Turn TTL on or off."""
        ...

    @property
    def describe_table(self) -> Callable[..., Any]:
        """Tell keys, billing and state."""
        ...

    @property
    def describe_time_to_live(self) -> Callable[..., Any]:
        """Tell the TTL attribute and status."""
        ...

    @property
    def get_waiter(self) -> Callable[..., Any]:
        """Something to wait with."""
        ...


@dataclass(frozen=True, slots=True)
class TableReport:
    """What a table is, and what is wrong with it.

    Attributes:
        name: The table's name.
        status: `ACTIVE`, `CREATING`, ...
        keys: Each key attribute with its role and type: `("id", "HASH", "S")`.
        ttl_attribute: The attribute that TTL reads; None while there is none.
        ttl_status: `ENABLED`, `ENABLING`, `DISABLING`, `DISABLED`.
        billing: `PAY_PER_REQUEST` or `PROVISIONED`.
        items: How many items DynamoDB last counted.
        problems: What must be mended, each with how.
    """

    name: str
    status: str
    keys: tuple[tuple[str, str, str], ...]
    ttl_attribute: str | None
    ttl_status: str
    billing: str
    items: int
    problems: tuple[str, ...]


def table_definition(name: str, *, partition_key: str = "id", sort_key: str | None = None) -> dict[str, Any]:
    """The parameters of `CreateTable`; TTL is turned on afterwards, on `TTL_ATTRIBUTE`."""
    keys = [(partition_key, "HASH"), *([(sort_key, "RANGE")] if sort_key else [])]
    return {
        "TableName": name,
        "KeySchema": [{"AttributeName": key, "KeyType": role} for key, role in keys],
        "AttributeDefinitions": [{"AttributeName": key, "AttributeType": "S"} for key, _ in keys],
        "BillingMode": "PAY_PER_REQUEST",
    }


def create(client: TableClient, name: str, *, partition_key: str = "id", sort_key: str | None = None) -> TableReport:
    """Create a table with TTL on, wait until it is active, and report on it."""
    client.create_table(**table_definition(name, partition_key=partition_key, sort_key=sort_key))
    client.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    client.update_time_to_live(
        TableName=name, TimeToLiveSpecification={"Enabled": True, "AttributeName": TTL_ATTRIBUTE}
    )
    return describe(client, name, partition_key=partition_key, sort_key=sort_key)


def describe(client: TableClient, name: str, *, partition_key: str = "id", sort_key: str | None = None) -> TableReport:
    """What a table is, and what keeps it from holding records."""
    table = cast("dict[str, Any]", client.describe_table(TableName=name)["Table"])
    ttl = cast("dict[str, Any]", client.describe_time_to_live(TableName=name)["TimeToLiveDescription"])
    types = {found["AttributeName"]: found["AttributeType"] for found in table["AttributeDefinitions"]}
    keys = tuple((key["AttributeName"], key["KeyType"], types[key["AttributeName"]]) for key in table["KeySchema"])
    attribute, status = ttl.get("AttributeName"), str(ttl.get("TimeToLiveStatus", "DISABLED"))
    expected = [(partition_key, "HASH", "S"), *([(sort_key, "RANGE", "S")] if sort_key else [])]
    return TableReport(
        name=name,
        status=str(table["TableStatus"]),
        keys=keys,
        ttl_attribute=attribute,
        ttl_status=status,
        billing=str(table.get("BillingModeSummary", {}).get("BillingMode", "PROVISIONED")),
        items=int(table.get("ItemCount", 0)),
        problems=(*key_problems(keys, expected), *ttl_problems(name, attribute, status)),
    )


def key_problems(keys: Sequence[tuple[str, str, str]], expected: Sequence[tuple[str, str, str]]) -> tuple[str, ...]:
    """What is wrong with a table's keys."""
    if list(keys) == list(expected):
        return ()
    problem = (
        f"Its key is {key_text(keys)}, and {key_text(expected)} is expected: a key cannot be changed, so create "
        "another table, or name the key to the store (partition_key=, sort_key=)."
    )
    return (problem,)


def key_text(keys: Sequence[tuple[str, str, str]]) -> str:
    """A key schema in words."""
    return " + ".join(f"{name} ({role}, {kind})" for name, role, kind in keys)


def ttl_problems(name: str, attribute: str | None, status: str) -> tuple[str, ...]:
    """What is wrong with a table's TTL."""
    mend = (
        f"aws dynamodb update-time-to-live --table-name {name} "
        f"--time-to-live-specification Enabled=true,AttributeName={TTL_ATTRIBUTE}"
    )
    if status not in ACTIVE_TTL:
        return (f"TTL is {status.lower()}: expired records are never deleted. Turn it on: {mend}",)
    if attribute != TTL_ATTRIBUTE:
        return (f"TTL reads {attribute!r}, not {TTL_ATTRIBUTE!r}: expired records are never deleted. Mend it: {mend}",)
    return ()
