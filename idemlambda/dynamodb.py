"""The store on a DynamoDB table: requests and replies as pure functions, and a thin client around them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol, cast

from idemlambda._environment import connects_at_once
from idemlambda._items import READ_WITHOUT_VERSION, Item, Layout, Value, item_from, record_from
from idemlambda.errors import ConfigError, StoreUnavailable
from idemlambda.ports import GONE, Found, Insert, Read, Record, Remove, Replace, StoreOp
from idemlambda.table import TTL_ATTRIBUTE, table_definition

__all__ = ["TTL_ATTRIBUTE", "DynamoDBStore", "Layout", "item_from", "record_from", "request_for", "table_definition"]

CONNECT_TIMEOUT_S: Final = 1
READ_TIMEOUT_S: Final = 1
"""DynamoDB answers within tens of milliseconds; the flow sends again, and must fail closed inside five seconds."""

POOL: Final = 50
"""Connections kept: more threads than this on one client would wait for each other."""

TOO_BUSY: Final = frozenset(
    {
        "LimitExceededException",
        "ProvisionedThroughputExceededException",
        "ReplicatedWriteConflictException",
        "RequestLimitExceeded",
        "ThrottlingException",
        "TransactionConflictException",
        "TransactionInProgressException",
    }
)
"""Errors that say that nothing was done and that the same request may do (DynamoDB: Error handling)."""

REFUSED: Final = "ConditionalCheckFailedException"

SERVER_ERROR: Final = 500
TIMED_OUT: Final = 408


class Client(Protocol):
    """What is used of a boto3 DynamoDB client."""

    @property
    def put_item(self) -> Callable[..., Any]:
        """Write an item."""
        ...

    @property
    def get_item(self) -> Callable[..., Any]:
        """Read an item."""
        ...

    @property
    def delete_item(self) -> Callable[..., Any]:
        """Delete an item."""
        ...


def request_for(op: StoreOp, layout: Layout) -> tuple[str, dict[str, object]]:
    """The DynamoDB operation and its parameters, in the low-level form."""
    match op:
        case Insert(record):
            condition: dict[str, object] = {
                "ConditionExpression": "attribute_not_exists(#id)",
                "ExpressionAttributeNames": {"#id": layout.partition_key},
            }
            return "PutItem", {"TableName": layout.table, "Item": item_from(record, layout)} | condition | SHOW
        case Replace(record, expect):
            item = item_from(record, layout)
            return "PutItem", {"TableName": layout.table, "Item": item} | unchanged(expect, layout) | SHOW
        case Remove(expect):
            key = layout.key(expect.id)
            return "DeleteItem", {"TableName": layout.table, "Key": key} | unchanged(expect, layout) | SHOW
        case Read(record_id):
            return "GetItem", {"TableName": layout.table, "Key": layout.key(record_id), "ConsistentRead": True}


SHOW: Final[dict[str, object]] = {"ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
"""A refused write answers with the record in the way: no second call is needed."""


def unchanged(expect: Record, layout: Layout) -> dict[str, object]:
    """The condition that a record is what was read: by version and status, or by every field without a version."""
    item = item_from(expect, layout)
    attributes = ("version", "status") if expect.version else ("version", *READ_WITHOUT_VERSION)
    terms: list[str] = []
    names: dict[str, str] = {}
    values: Item = {}
    for attribute in attributes:
        names[f"#{attribute}"] = layout.name(attribute)
        value = item.get(layout.name(attribute))
        if value is None:
            terms.append(f"attribute_not_exists(#{attribute})")
        else:
            terms.append(f"#{attribute} = :{attribute}")
            values[f":{attribute}"] = value
    return {
        "ConditionExpression": " AND ".join(terms),
        "ExpressionAttributeNames": names,
        "ExpressionAttributeValues": values,
    }


def found_in(item: object, layout: Layout) -> Record | Any:  # noqa: ANN401 - see `reply_from`
    """The record of an answer's item, or `GONE` where it has none."""
    if not item:
        return GONE
    return record_from(cast("Mapping[str, Value]", item), layout)


class DynamoDBStore:
    """Records in a DynamoDB table, through boto3.

    `send` is one HTTP request with short time-outs; the flow sends again. The client is made at the first use, or,
    inside Lambda, at once: INIT runs at full speed. A client made while a mock was active stays bound to it.

    Args:
        table: The table's name or ARN.
        client: A boto3 DynamoDB client, with its own time-outs and retries.
        partition_key: The name of the table's partition key.
        sort_key: The name of its sort key, if it has one.
        partition_value: In a composite table, the partition that holds all records.
        attributes: Names of a record's attributes that differ from format 1: `{"data": "result"}`.

    Raises:
        ConfigError: The layout makes no sense; boto3 or, inside Lambda, the region is missing.
    """

    def __init__(
        self,
        table: str,
        *,
        client: Client | None = None,
        partition_key: str = "id",
        sort_key: str | None = None,
        partition_value: str | None = None,
        attributes: Mapping[str, str] | None = None,
    ) -> None:
        self.layout = Layout(
            table=table,
            partition_key=partition_key,
            sort_key=sort_key,
            partition_value=partition_value,
            names=dict(attributes or {}),
        )
        self._client = client
        self._lock = threading.Lock()
        if client is None and connects_at_once():
            self.connect()

    def connect(self) -> Client:
        """The client, made once.

        Raises:
            ConfigError: boto3, or the region, is missing.
        """
        with self._lock:  # making a client is not thread-safe, using one is (boto3: Multithreading)
            if self._client is None:
                self._client = new_client(self.layout.table)
            return self._client

    def send(self, op: StoreOp) -> Found:
        """Carry out one operation with one request, as `Store.send` says."""
        client = self._client or self.connect()
        operation, params = request_for(op, self.layout)
        try:
            if operation == "PutItem":
                client.put_item(**params)
            elif operation == "DeleteItem":
                client.delete_item(**params)
            else:
                return found_in(client.get_item(**params).get("Item"), self.layout)
        except Exception as error:
            refused = refusal(error)
            if refused is None:
                raise failure(error, self.layout) from error
            return found_in(refused.get("Item"), self.layout)
        return None


def new_client(table: str) -> Client:
    """A client of boto3's default session that sends once, with short time-outs."""
    try:
        import boto3
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError
    except ImportError:
        raise ConfigError("DynamoDBStore needs boto3: install idemlambda[aws].") from None
    config = Config(
        connect_timeout=CONNECT_TIMEOUT_S,
        read_timeout=READ_TIMEOUT_S,
        retries={"mode": "standard", "total_max_attempts": 1},
        max_pool_connections=POOL,
        tcp_keepalive=True,
    )
    try:
        return cast("Client", boto3.client("dynamodb", config=config))  # pyright: ignore[reportUnknownMemberType] # untyped without stubs
    except BotoCoreError as error:
        raise ConfigError(f"No client for table {table}: {error}") from error


def refusal(error: Exception) -> Mapping[str, Any] | None:
    """The answer of a write whose condition failed; None for any other error."""
    response = getattr(error, "response", None)
    if isinstance(response, dict):
        answer = cast("dict[str, Any]", response)
        if answer.get("Error", {}).get("Code") == REFUSED:
            return answer
    return None


def failure(error: Exception, layout: Layout) -> Exception:
    """What an error of boto3 means to the flow: try again, or a set-up that no retry mends."""
    from botocore.exceptions import (
        BotoCoreError,
        ClientError,
        ConnectTimeoutError,
        EndpointConnectionError,
        HTTPClientError,
    )
    from botocore.parsers import ResponseParserError

    table = layout.table
    if isinstance(error, ClientError):
        return answered_failure(error.response, layout)
    if isinstance(error, EndpointConnectionError | ConnectTimeoutError):
        return StoreUnavailable(f"Table {table} cannot be reached: {short(error)}", in_doubt=False)
    if isinstance(error, HTTPClientError | ResponseParserError):
        return StoreUnavailable(f"Table {table} did not answer: {short(error)}", in_doubt=True)
    if isinstance(error, BotoCoreError):  # no credentials, no region, malformed parameters
        return ConfigError(f"Table {table} cannot be asked: {short(error)}")
    return error


def answered_failure(response: Mapping[str, Any], layout: Layout) -> Exception:
    """What an error answer of DynamoDB means to the flow."""
    table = layout.table
    code = str(response.get("Error", {}).get("Code", "unknown"))
    message = str(response.get("Error", {}).get("Message", ""))[:300]
    status = int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    if code in TOO_BUSY:
        return StoreUnavailable(f"Table {table} is too busy: {code}: {message}", in_doubt=False)
    if status >= SERVER_ERROR or status == TIMED_OUT:
        return StoreUnavailable(f"Table {table} failed: {code} (HTTP {status}): {message}", in_doubt=True)
    check = f"check it with: idemlambda table describe {table}"
    if code == "ResourceNotFoundException":
        return ConfigError(f"There is no table {table} in this account and region ({message}); {check}")
    if code == "AccessDeniedException":
        return ConfigError(
            f"Access to table {table} is denied: the function needs dynamodb:PutItem, dynamodb:GetItem and "
            f"dynamodb:DeleteItem on it. {message}"
        )
    if code == "ValidationException":
        key = " and ".join(filter(None, (layout.partition_key, layout.sort_key)))
        return ConfigError(f"Table {table} refused the request: {message} The key in use is {key}; {check}")
    return ConfigError(f"Table {table} refused the request: {code}: {message}")


def short(error: Exception) -> str:
    """An error in one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
