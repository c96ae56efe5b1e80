"""The store on a DynamoDB table: requests and replies as pure functions, and a thin client around them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol, cast
from zlib import crc32

from idemlambda._environment import connects_at_once
from idemlambda._items import READ_WITHOUT_VERSION, Item, Layout, Value, item_from, record_from
from idemlambda.errors import ConfigError, RecordTooLarge, StoreUnavailable
from idemlambda.ports import GONE, Found, Gone, Insert, Read, Record, Remove, StoreOp
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
        "RequestThrottled",
        "RequestThrottledException",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
        "TransactionConflictException",
        "TransactionInProgressException",
    }
)
"""Errors that say that nothing was done and that the same request may do (DynamoDB: Error handling; botocore's list
of throttling codes)."""

UNKNOWN_CALLER: Final = frozenset(
    {
        "ExpiredToken",
        "ExpiredTokenException",
        "IncompleteSignature",
        "IncompleteSignatureException",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "MissingAuthenticationToken",
        "MissingAuthenticationTokenException",
        "RequestExpired",
        "UnrecognizedClientException",
    }
)
"""Errors that say that the credentials, or the signature made with them, are not accepted (AWS: Common errors)."""

TOO_LARGE: Final = "Item size"
"""What the message of DynamoDB's `ValidationException` says of an item beyond 400 KB, and of nothing else."""

LONGEST_TEXT: Final = 300
"""Characters kept of somebody else's message: a line or two in a log."""

REFUSED: Final = "ConditionalCheckFailedException"

SERVER_ERROR: Final = 500
TIMED_OUT: Final = frozenset({"RequestTimeout", "RequestTimeoutException"})
TOO_MANY_REQUESTS: Final = 429

BUILDING: Final = threading.Lock()
"""One for the process: stores share boto3's default session, and making a client of it is not thread-safe."""


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
    if isinstance(op, Read):
        return "GetItem", {"TableName": layout.table, "Key": layout.key(op.id), "ConsistentRead": True}
    if isinstance(op, Remove):
        key = layout.key(op.id)
        return "DeleteItem", {"TableName": layout.table, "Key": key} | unchanged(op.expect, layout) | SHOW
    absent: dict[str, object] = {
        "ConditionExpression": "attribute_not_exists(#id)",
        "ExpressionAttributeNames": {"#id": layout.partition_key},
    }
    condition = absent if isinstance(op, Insert) else unchanged(op.expect, layout)
    return "PutItem", {"TableName": layout.table, "Item": item_from(op.record, layout)} | condition | SHOW


SHOW: Final[dict[str, object]] = {"ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
"""A refused write answers with the record in the way: no second call is needed."""


def unchanged(expect: Record, layout: Layout) -> dict[str, object]:
    """The condition that a record is what was read: by version and status, or by every field without a version."""
    item = item_from(expect, layout)
    attributes = ("version", "status") if expect.version else ("version", *READ_WITHOUT_VERSION)
    terms: list[str] = []
    values: Item = {}
    for attribute in attributes:
        value = item.get(layout.name(attribute))
        if value is None:
            terms.append(f"attribute_not_exists(#{attribute})")
            continue
        equal = f"#{attribute} = :{attribute}"
        if attribute == "in_progress_expiration" and expect.lease_end == expect.expiration * 1000:
            # What a record without a lease is read as; whether it had this one or none is all the same.
            equal = f"({equal} OR attribute_not_exists(#{attribute}))"
        terms.append(equal)
        values[f":{attribute}"] = value
    return {
        "ConditionExpression": " AND ".join(terms),
        "ExpressionAttributeNames": {f"#{attribute}": layout.name(attribute) for attribute in attributes},
        "ExpressionAttributeValues": values,
    }


def found_in(item: object, layout: Layout) -> Record | Gone:
    """The record of an answer's item, or `GONE` where it has none."""
    if not item:
        return GONE
    return record_from(cast("Mapping[str, Value]", item), layout)


class DynamoDBStore:
    """Records in a DynamoDB table, through boto3.

    `send` is one HTTP request with short time-outs; the flow sends again. The client is made at the first use, or,
    inside Lambda, at once: INIT runs at full speed. moto reaches every client that is made after `moto` was imported,
    for as long as a mock is active; so make the first call under the mock, or give `client=`. A client made under a
    mock keeps the mock's credentials, which AWS refuses afterwards.

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
        if client is None and connects_at_once():
            self.connect()

    def connect(self) -> Client:
        """The client, made once.

        Raises:
            ConfigError: boto3, or the region, is missing.
        """
        with BUILDING:  # making a client is not thread-safe, using one is (boto3: Multithreading)
            if self._client is None:
                self._client = new_client(self.layout.table)
            return self._client

    def send(self, op: StoreOp) -> Found:
        """Carry out one operation with one request, as `Store.send` says.

        Raises:
            StoreUnavailable: See `Store.send`.
            RecordUnreadable: See `Store.send`.
            ConfigError: See `Store.send`.
            RecordTooLarge: The record is larger than an item may be.
        """
        client = self._client or self.connect()
        operation, params = request_for(op, self.layout)
        try:
            reply = request_of(client, operation)(**params)
        except Exception as error:
            told = failure(error, self.layout)
            if told is None:
                raise
            if isinstance(told, Exception):
                raise told from error
            return found_in(told.get("Item"), self.layout)
        return found_in(reply.get("Item"), self.layout) if isinstance(op, Read) else None


def request_of(client: Client, operation: str) -> Callable[..., Mapping[str, Any]]:
    """The client's method for an operation."""
    methods = {"PutItem": client.put_item, "DeleteItem": client.delete_item, "GetItem": client.get_item}
    return methods[operation]


def new_client(table: str) -> Client:
    """A client of boto3's default session that sends once, with short time-outs.

    Raises:
        ConfigError: boto3 is missing, or it finds no region, a wrong profile or a malformed endpoint.
    """
    try:
        import boto3
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError, NoRegionError
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
        client = boto3.client("dynamodb", config=config)  # pyright: ignore[reportUnknownMemberType] # untyped without stubs
    except NoRegionError as error:
        raise ConfigError(f"No region is set for table {table}: set AWS_DEFAULT_REGION, or give client=.") from error
    except (BotoCoreError, ValueError) as error:  # a ValueError is a malformed endpoint's
        raise ConfigError(f"No client for table {table}: {short(error)}") from error

    def refuse_damaged(response_dict: Mapping[str, Any] | None = None, **_: object) -> None:
        if response_dict is not None and is_damaged(response_dict["headers"], response_dict["body"]):
            raise StoreUnavailable(f"The answer of table {table} arrived damaged.", in_doubt=True)

    client.meta.events.register("response-received.dynamodb", refuse_damaged)
    return cast("Client", client)


def is_damaged(headers: Mapping[str, str], body: bytes) -> bool:
    """Whether a reply is not what DynamoDB sent, by the checksum it sent along.

    botocore checks it only to send again, and takes the reply of its last attempt as it is: one cut off would read as
    an item that is not there.
    """
    sent = headers.get("x-amz-crc32", "")
    return sent.isdigit() and int(sent) != crc32(body)


def failure(error: Exception, layout: Layout) -> Exception | Mapping[str, Any] | None:
    """What an error of boto3 means to the flow: a refused write's answer, try again, or a set-up that no retry mends.

    None for an error that is not boto3's.
    """
    from botocore.exceptions import ClientError

    if isinstance(error, ClientError):
        return answered_failure(error.response, layout)
    return set_up_failure(error, layout.table) or unanswered_failure(error, layout.table)


def unanswered_failure(error: Exception, table: str) -> StoreUnavailable | None:
    """What it means that no answer came; None for an error that is not boto3's."""
    from botocore import exceptions as boto
    from botocore.parsers import ResponseParserError

    not_sent = (
        boto.EndpointConnectionError,
        boto.ConnectTimeoutError,
        boto.ProxyConnectionError,
        # A credential service that does not answer is one more thing that is down.
        boto.CredentialRetrievalError,
        boto.MetadataRetrievalError,
    )
    if isinstance(error, not_sent):
        return StoreUnavailable(f"Table {table} cannot be reached: {short(error)}", in_doubt=False)
    # A UnicodeDecodeError is the reply parser's, on bytes that are no text.
    if isinstance(error, boto.BotoCoreError | ResponseParserError | UnicodeDecodeError):
        return StoreUnavailable(f"Table {table} did not answer: {short(error)}", in_doubt=True)
    return None


def set_up_failure(error: Exception, table: str) -> ConfigError | None:
    """What it means that boto3 did not even ask; None where it did, and for an error that is not boto3's."""
    from botocore import exceptions as boto

    if isinstance(error, boto.SSLError) and "CERTIFICATE_VERIFY_FAILED" in str(error):
        return ConfigError(f"The endpoint of table {table} is not trusted: look at AWS_CA_BUNDLE. {short(error)}")
    if isinstance(error, boto.NoCredentialsError | boto.PartialCredentialsError):
        return ConfigError(
            f"No complete credentials for table {table}: give the function a role, or set AWS_PROFILE. {short(error)}"
        )
    if isinstance(error, boto.ParamValidationError):  # its text holds the item
        return ConfigError(f"boto3 refused the request to table {table}: is its name one? {type(error).__name__}")
    asked = (
        boto.HTTPClientError,
        boto.ConnectionError,
        boto.CredentialRetrievalError,
        boto.MetadataRetrievalError,
        boto.IncompleteReadError,
    )
    if isinstance(error, boto.BotoCoreError) and not isinstance(error, asked):
        return ConfigError(f"Table {table} cannot be asked: {short(error)}")
    return None


def answered_failure(response: Mapping[str, Any], layout: Layout) -> Exception | Mapping[str, Any]:
    """What an error answer of DynamoDB means to the flow; the answer itself where a condition refused a write."""
    table = layout.table
    code = str(response.get("Error", {}).get("Code", "unknown"))
    message = str(response.get("Error", {}).get("Message", ""))[:LONGEST_TEXT]
    status = int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    if code == REFUSED:
        return response
    if code in TOO_BUSY or status == TOO_MANY_REQUESTS:
        return StoreUnavailable(f"Table {table} is too busy: {code}: {message}", in_doubt=False)
    if status >= SERVER_ERROR or code in TIMED_OUT or code == "InternalServerError":
        return StoreUnavailable(f"Table {table} failed: {code} (HTTP {status}): {message}", in_doubt=True)
    if code == "ValidationException" and TOO_LARGE in message:
        return RecordTooLarge(f"The record is larger than an item of table {table} may be (400 KB): {message}")
    return ConfigError(f"{refused_text(code, layout)} {code}: {message}")


def refused_text(code: str, layout: Layout) -> str:
    """What to do where DynamoDB refuses a request for good."""
    table = layout.table
    check = f"check it with: idemlambda table describe {table}."
    if code == "ResourceNotFoundException":
        return f"There is no table {table} in this account and region: look at AWS_REGION and the table's name; {check}"
    if code.startswith("AccessDenied"):
        return (
            f"Access to table {table} is denied: the function needs dynamodb:PutItem, dynamodb:GetItem and "
            "dynamodb:DeleteItem on it."
        )
    if code in UNKNOWN_CALLER:
        return f"The credentials for table {table} are not accepted: renew them, and look at the clock."
    if code == "ValidationException":
        key = " and ".join(f"{name} (S)" for name in (layout.partition_key, layout.sort_key) if name)
        return f"Table {table} refused the request. The key in use is {key}; {check}"
    return f"Table {table} refused the request; {check}"


def short(error: Exception) -> str:
    """An error in one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:LONGEST_TEXT]}"
