"""Laws of making and checking a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

import boto3
from moto import mock_aws

from idemlambda.table import create, describe, table_definition

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


def client_of_moto() -> DynamoDBClient:
    """A client of moto's in-process DynamoDB."""
    return boto3.client(
        "dynamodb",
        region_name="eu-west-1",
        aws_access_key_id="testing",
        aws_secret_access_key="testing",  # noqa: S106 - any will do
    )


@mock_aws
def test_a_table_that_was_created_has_no_problem() -> None:
    """`create` makes keys, on-demand billing and TTL as `describe` wants them."""
    client = client_of_moto()
    report = create(client, "records")
    assert report.problems == ()
    assert (report.keys, report.billing) == ((("id", "HASH", "S"),), "PAY_PER_REQUEST")
    assert (report.ttl_attribute, report.ttl_status) == ("expiration", "ENABLED")
    assert create(client, "composite", sort_key="sk").keys[1] == ("sk", "RANGE", "S")


@mock_aws
def test_a_table_without_ttl_is_told() -> None:
    """A missing TTL and one on another attribute are problems with their mend."""
    client = client_of_moto()
    client.create_table(**table_definition("records"))
    [problem] = describe(client, "records").problems
    assert "TTL is disabled" in problem
    assert "aws dynamodb update-time-to-live --table-name records" in problem
    client.update_time_to_live(TableName="records", TimeToLiveSpecification={"Enabled": True, "AttributeName": "ttl"})
    [problem] = describe(client, "records").problems
    assert "TTL reads 'ttl', not 'expiration'" in problem


@mock_aws
def test_a_table_with_another_key_is_told() -> None:
    """Another key schema is a problem that names both."""
    client = client_of_moto()
    create(client, "records", partition_key="pk", sort_key="sk")
    [problem] = describe(client, "records").problems
    assert "pk (HASH, S) + sk (RANGE, S), and id (HASH, S) is expected" in problem


def test_dynamodb_local_agrees(dynamodb_local_client: DynamoDBClient) -> None:
    """AWS's own engine takes the definition and reports it without a problem."""
    assert create(dynamodb_local_client, "records").problems == ()
