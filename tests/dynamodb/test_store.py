"""Laws of the DynamoDB store: what each failure of boto3 and of DynamoDB means, and when it connects."""

from __future__ import annotations

import json
import socket
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    ParamValidationError,
    ReadTimeoutError,
)
from botocore.parsers import ResponseParserError
from moto import mock_aws

from idemlambda import ConfigError, DynamoDBStore, Idempotency, RecordUnreadable, StoreUnavailable
from idemlambda.dynamodb import table_definition
from idemlambda.ports import GONE, Insert, Read, Record, Status
from idemlambda.testing import LambdaContext

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

CLAIM = Record(id="n#1", status=Status.INPROGRESS, version="a:1", expiration=20, lease_end=5_000)
EVENTS = Path(__file__).parents[2] / "events"


class FailingClient:
    """A client whose every call raises one error."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def put_item(self, **params: Any) -> Any:
        raise self.error

    get_item = delete_item = put_item


def answer(code: str, status: int = 400, **more: Any) -> ClientError:
    """An error answer of DynamoDB."""
    response: Any = {
        "Error": {"Code": code, "Message": f"because of {code}"},
        "ResponseMetadata": {"HTTPStatusCode": status},
        **more,
    }
    return ClientError(response, "PutItem")


def name_of(value: object) -> str | None:
    """The name of a row: the error's code or type."""
    if isinstance(value, ClientError):
        return str(value.response["Error"]["Code"])
    return type(value).__name__ if isinstance(value, Exception) else None


URL = "http://127.0.0.1:1"


@pytest.mark.parametrize(
    ("error", "in_doubt"),
    [
        (answer("ProvisionedThroughputExceededException"), False),
        (answer("ThrottlingException"), False),
        (answer("RequestLimitExceeded"), False),
        (answer("TransactionConflictException"), False),
        (answer("ReplicatedWriteConflictException"), False),
        (answer("InternalServerError", 500), True),
        (answer("ServiceUnavailable", 503), True),
        (answer("RequestTimeout", 408), True),
        (EndpointConnectionError(endpoint_url=URL), False),
        (ConnectTimeoutError(endpoint_url=URL), False),
        (ReadTimeoutError(endpoint_url=URL), True),
        (ConnectionClosedError(endpoint_url=URL), True),
        (ResponseParserError("cut in the middle"), True),
    ],
    ids=name_of,
)
def test_a_passing_failure_is_unavailable(error: Exception, in_doubt: bool) -> None:  # noqa: FBT001 - a table's column
    """What a retry may mend is `StoreUnavailable`, which says whether the write may have been applied."""
    with pytest.raises(StoreUnavailable, match="records") as failed:
        DynamoDBStore("records", client=FailingClient(error)).send(Insert(CLAIM))
    assert failed.value.in_doubt is in_doubt
    assert failed.value.__cause__ is error


@pytest.mark.parametrize(
    ("error", "hint"),
    [
        (answer("ResourceNotFoundException"), "idemlambda table describe records"),
        (answer("AccessDeniedException"), "dynamodb:PutItem, dynamodb:GetItem and dynamodb:DeleteItem"),
        (answer("ValidationException"), "The key in use is id"),
        (answer("UnrecognizedClientException"), "because of UnrecognizedClientException"),
        (NoCredentialsError(), "NoCredentialsError"),
        (ParamValidationError(report="bad"), "ParamValidationError"),
    ],
    ids=name_of,
)
def test_a_wrong_set_up_is_loud(error: Exception, hint: str) -> None:
    """What no retry mends is a `ConfigError` that names the table and what to do (rule 16)."""
    with pytest.raises(ConfigError, match=hint) as failed:
        DynamoDBStore("records", client=FailingClient(error)).send(Insert(CLAIM))
    assert "records" in str(failed.value)


def test_an_error_that_is_not_boto3s_passes() -> None:
    """A bug is not dressed up as an outage."""
    with pytest.raises(ZeroDivisionError):
        DynamoDBStore("records", client=FailingClient(ZeroDivisionError())).send(Read("n#1"))


def test_a_refusal_without_item_is_gone() -> None:
    """A failed condition that shows no record answers `GONE`."""
    store = DynamoDBStore("records", client=FailingClient(answer("ConditionalCheckFailedException")))
    assert store.send(Insert(CLAIM)) is GONE


def test_nothing_listening_fails_within_two_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    """A closed port is `StoreUnavailable` at once, from the store's own client."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    for name, value in (
        ("AWS_ENDPOINT_URL_DYNAMODB", f"http://127.0.0.1:{port}"),
        ("AWS_DEFAULT_REGION", "eu-west-1"),
        ("AWS_ACCESS_KEY_ID", "testing"),
        ("AWS_SECRET_ACCESS_KEY", "testing"),
    ):
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    started = time.monotonic()
    with pytest.raises(StoreUnavailable):
        DynamoDBStore("nowhere").send(Insert(CLAIM))
    assert time.monotonic() - started < 2


def test_a_handler_fails_closed_within_five_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    """With an engine that accepts and never answers, a claim is refused inside five seconds and nothing runs."""
    ran: list[object] = []
    with socket.create_server(("127.0.0.1", 0)) as mute:
        client = boto3.client(
            "dynamodb",
            endpoint_url=f"http://127.0.0.1:{mute.getsockname()[1]}",
            region_name="eu-west-1",
            aws_access_key_id="testing",
            aws_secret_access_key="testing",  # noqa: S106 - any will do
            config=Config(connect_timeout=1, read_timeout=1, retries={"total_max_attempts": 1}),
        )
        handler = Idempotency(DynamoDBStore("mute", client=client)).handler(namespace="mute")(
            lambda event, context: ran.append(event)
        )
        started = time.monotonic()
        with pytest.raises(StoreUnavailable, match="mute"):
            handler({}, LambdaContext(30))
        client.close()
    assert time.monotonic() - started < 5
    assert ran == []


def test_without_a_region_the_first_call_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """The store can be made without a region; using it cannot."""
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    store = DynamoDBStore("records")
    with pytest.raises(ConfigError, match="region"):
        store.send(Read("n#1"))


def test_without_boto3_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing boto3 is a `ConfigError` that says what to install."""
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(ConfigError, match=r"idemlambda\[aws\]"):
        DynamoDBStore("records").connect()


@mock_aws
def test_moto_may_start_after_the_store(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client is made at the first use, by the default session."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    boto3.client("dynamodb").create_table(**table_definition("records"))
    store = DynamoDBStore("records")
    assert store.send(Insert(CLAIM)) is None
    assert store.send(Read("n#1")) == CLAIM


@pytest.mark.parametrize("key", ["pk", "id+sk"])
def test_a_wrong_key_schema_is_loud(dynamodb_local_client: DynamoDBClient, key: str) -> None:
    """A table with another key is a `ConfigError` before anything runs."""
    partition, _, sort = key.partition("+")
    dynamodb_local_client.create_table(**table_definition("records", partition_key=partition, sort_key=sort or None))
    ran: list[object] = []
    idem = Idempotency(DynamoDBStore("records", client=dynamodb_local_client))
    handler = idem.handler(namespace="schema")(lambda event, context: ran.append(event))
    with pytest.raises(ConfigError, match="table describe records"):
        handler({}, None)
    assert ran == []


def test_an_unknown_table_is_loud(dynamodb_local_client: DynamoDBClient) -> None:
    """A table that is not there is a `ConfigError`, not an outage."""
    with pytest.raises(ConfigError, match="no table nowhere"):
        DynamoDBStore("nowhere", client=dynamodb_local_client).send(Read("n#1"))


def test_a_poisoned_record_runs_nothing_and_stays(dynamodb_local_client: DynamoDBClient) -> None:
    """A record of wrong types or a newer format refuses the call, and is left as it was."""
    dynamodb_local_client.create_table(**table_definition("records"))
    ran: list[object] = []
    idem = Idempotency(DynamoDBStore("records", client=dynamodb_local_client))
    handler = idem.handler(namespace="poison")(lambda event, context: ran.append(event))
    handler({}, None)
    [item] = dynamodb_local_client.scan(TableName="records")["Items"]
    for poison in ({"format": {"N": "2"}}, {"status": {"N": "1"}}, {"expiration": {"S": "soon"}}):
        poisoned: Any = item | poison
        dynamodb_local_client.put_item(TableName="records", Item=poisoned)
        with pytest.raises(RecordUnreadable):
            handler({}, None)
        assert dynamodb_local_client.scan(TableName="records")["Items"] == [poisoned]
    assert len(ran) == 1


def test_a_call_costs_two_requests_and_a_replay_one(dynamodb_local_client: DynamoDBClient) -> None:
    """First execution 2 requests, replay 1, replay with the local cache 0, counted on the wire."""
    dynamodb_local_client.create_table(**table_definition("records"))
    sent: list[str] = []
    dynamodb_local_client.meta.events.register(
        "before-send.dynamodb", lambda request, **_: sent.append(request.headers["X-Amz-Target"].decode())
    )
    store = DynamoDBStore("records", client=dynamodb_local_client)
    event = json.loads((EVENTS / "direct.json").read_text(encoding="utf-8"))

    def place(event: dict[str, object], context: object) -> str:
        return "done"

    handler = Idempotency(store).handler(key="order_id", namespace="cost")(place)
    cached = Idempotency(store, cache=5).handler(key="order_id", namespace="cost")(place)
    counts: list[int] = []
    for call in (handler, handler, cached, cached):
        sent.clear()
        assert call(event, None) == "done"
        counts.append(len(sent))
    assert counts == [2, 1, 1, 0]


def test_a_fresh_claim_is_one_write_unit(dynamodb_local_client: DynamoDBClient) -> None:
    """A claim with digests stays under 1 KB, by DynamoDB's own count."""
    dynamodb_local_client.create_table(**table_definition("records"))
    units: list[float] = []

    class Counting:
        def put_item(self, **params: Any) -> Any:
            done = dynamodb_local_client.put_item(**params, ReturnConsumedCapacity="TOTAL")
            units.append(done["ConsumedCapacity"]["CapacityUnits"])
            return done

        get_item = delete_item = put_item

    payload = {f"field {number}": number for number in range(200)}
    idem = Idempotency(DynamoDBStore("records", client=Counting()))
    handler = idem.handler(key="id", namespace="a-rather-long.module.name.of.a.handler")(lambda event, context: None)
    for fields in (1, 20, 60, 80, 200):
        handler({"id": fields, "payload": dict(list(payload.items())[:fields])}, LambdaContext(3))
    assert units == [1.0] * 10
