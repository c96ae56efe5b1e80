"""How tests meet the engines, and the facts about DynamoDB Local that other tests lean on."""

from __future__ import annotations

import os
import socket
import urllib.request
from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ClientError

from tests import engines

if TYPE_CHECKING:
    from pathlib import Path

    from mypy_boto3_dynamodb import DynamoDBClient


def make_table(client: DynamoDBClient) -> None:
    """A table with a partition key."""
    client.create_table(
        TableName="records",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )


@pytest.mark.parametrize("name", sorted(set(engines.FIXTURES.values())))
def test_a_missing_engine_skips_and_says_how_to_get_it(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """On a desk a missing engine skips its tests, and the reason names the command that installs it."""
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setattr(engines, "DYNAMODB_LOCAL", tmp_path)
    monkeypatch.setattr(engines, "SAM", tmp_path / "sam")
    with pytest.raises(pytest.skip.Exception, match="run `make engines`"):
        engines.require_engine(name)


@pytest.mark.parametrize("name", sorted(set(engines.FIXTURES.values())))
def test_a_missing_engine_fails_in_ci(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Under CI=true nothing is skipped for want of an engine: it is a failure."""
    monkeypatch.setenv("CI", "true")
    monkeypatch.setattr(engines, "DYNAMODB_LOCAL", tmp_path)
    monkeypatch.setattr(engines, "SAM", tmp_path / "sam")
    with pytest.raises(pytest.fail.Exception, match="run `make engines`"):
        engines.require_engine(name)


def test_an_unknown_engine_is_a_mistake_of_the_test() -> None:
    """A misspelt engine is an error, never a silent skip."""
    with pytest.raises(ValueError, match="there are: dynamodb-local, sam"):
        engines.require_engine("dynamo")


@pytest.mark.parametrize("host", ["192.0.2.1", "2001:db8::1", "example.invalid", "dynamodb.eu-west-1.amazonaws.com"])
def test_a_connection_that_leaves_the_machine_is_refused(host: str) -> None:
    """A test that would reach another machine, or look up its name, fails before a packet is sent."""
    with pytest.raises(PermissionError, match="loopback only"):
        socket.create_connection((host, 443), timeout=1)


def test_loopback_is_open() -> None:
    """Servers that tests start are reached by address and by name."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        for host in ("127.0.0.1", "localhost"):
            socket.create_connection((host, server.getsockname()[1]), timeout=5).close()


def test_no_account_of_the_developer_is_visible() -> None:
    """Tests see no AWS credentials, profile or region but those that they set themselves."""
    names = {name for name in os.environ if name.startswith("AWS_")}
    assert names == {"AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_EC2_METADATA_DISABLED"}


def test_a_failed_condition_returns_the_item_in_the_way(dynamodb_local_client: DynamoDBClient) -> None:
    """DynamoDB Local answers a failed condition with the old item, as DynamoDB does: a claim needs no second read."""
    make_table(dynamodb_local_client)
    first = {"id": {"S": "a"}, "version": {"S": "t:1"}}
    dynamodb_local_client.put_item(TableName="records", Item=first)
    with pytest.raises(ClientError) as refused:
        dynamodb_local_client.put_item(
            TableName="records",
            Item={"id": {"S": "a"}},
            ConditionExpression="attribute_not_exists(id)",
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )
    assert refused.value.response["Error"]["Code"] == "ConditionalCheckFailedException"
    assert dict(refused.value.response)["Item"] == first


def test_capacity_is_counted_by_the_size_of_the_item(dynamodb_local_client: DynamoDBClient) -> None:
    """DynamoDB Local counts one write unit a started KB and half a read unit a started 4 KB, as DynamoDB bills."""
    make_table(dynamodb_local_client)
    written = dynamodb_local_client.put_item(
        TableName="records", Item={"id": {"S": "a"}, "data": {"S": "x" * 10_000}}, ReturnConsumedCapacity="TOTAL"
    )
    read = dynamodb_local_client.get_item(TableName="records", Key={"id": {"S": "a"}}, ReturnConsumedCapacity="TOTAL")
    assert written["ConsumedCapacity"]["CapacityUnits"] == 10
    assert read["ConsumedCapacity"]["CapacityUnits"] == 1.5


def test_each_client_of_its_own_sees_its_own_tables_only(
    dynamodb_local: str, dynamodb_local_client: DynamoDBClient
) -> None:
    """Tests that share one DynamoDB Local never meet each other's tables."""
    make_table(dynamodb_local_client)
    other = engines.account_of_its_own(dynamodb_local)
    assert dynamodb_local_client.list_tables()["TableNames"] == ["records"]
    assert other.list_tables()["TableNames"] == []
    other.close()


@pytest.mark.engine("dynamodb-local")
def test_an_engine_of_ones_own_ends_with_its_block() -> None:
    """DynamoDB Local is gone when the block that ran it is left."""
    with engines.running_dynamodb_local() as endpoint:
        pass
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(endpoint, timeout=5)  # noqa: S310 - a loopback address
