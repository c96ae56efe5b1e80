from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import click
import pytest
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    EndpointConnectionError,
    NoCredentialsError,
    PartialCredentialsError,
    ProfileNotFound,
    WaiterError,
)
from click.testing import Result

from idemlambda.cli._aws import dynamodb_client, errors_in_one_line
from idemlambda.cli._embedded import embedded_dynamodb
from idemlambda.errors import ConfigError

Run = Callable[..., Result]


@pytest.fixture
def aws() -> Iterator[None]:
    """An account with an empty DynamoDB."""
    with embedded_dynamodb():
        yield


@pytest.mark.usefixtures("aws")
def test_a_created_table_has_nothing_to_mend(run: Run) -> None:
    """`table create` makes the table that `table describe` finds nothing wrong with."""
    for command in ("create", "describe"):
        result = run("table", command, "records")
        assert result.exit_code == 0, result.output
        for text in ("ACTIVE", "id (HASH, S)", "ENABLED on expiration", "PAY_PER_REQUEST", "Nothing to mend."):
            assert text in result.stdout


@pytest.mark.usefixtures("aws")
def test_a_program_gets_the_report(run: Run) -> None:
    """With --json the report comes out whole, for a composite table too."""
    words = ("records", "--partition-key", "pk", "--sort-key", "sk", "--json")
    created, described = run("table", "create", *words), run("table", "describe", *words)
    assert (created.exit_code, described.exit_code) == (0, 0)
    report = json.loads(described.stdout)
    assert report == json.loads(created.stdout)
    assert report["keys"] == [["pk", "HASH", "S"], ["sk", "RANGE", "S"]]
    assert (report["ttl_attribute"], report["ttl_status"], report["problems"]) == ("expiration", "ENABLED", [])


@pytest.mark.usefixtures("aws")
def test_each_problem_comes_with_its_mend(run: Run) -> None:
    """A table with a wrong key and without TTL is described with both problems, and exit code 1."""
    client = dynamodb_client()
    client.create_table(
        TableName="orders",
        KeySchema=[{"AttributeName": "order", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "order", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    client.close()
    result = run("table", "describe", "orders", COLUMNS="300")
    assert result.exit_code == 1
    assert "Its key is order (HASH, S), and id (HASH, S) is expected" in result.stdout
    assert "aws dynamodb update-time-to-live --table-name orders" in result.stdout
    documents = run("table", "describe", "orders", "--json")
    assert documents.exit_code == 1
    assert len(json.loads(documents.stdout)["problems"]) == 2


@pytest.mark.usefixtures("aws")
def test_a_table_that_is_missing_or_there_already_is_one_line(run: Run) -> None:
    """An unknown table and one that exists already are told in one line, with the command that helps."""
    missing = run("table", "describe", "nowhere")
    assert (missing.exit_code, missing.stdout) == (1, "")
    assert "idemlambda table create nowhere" in missing.stderr
    run("table", "create", "records")
    again = run("table", "create", "records")
    assert again.exit_code == 1
    assert "idemlambda table describe records" in again.stderr


def test_without_a_region_or_credentials_one_line_says_so(run: Run) -> None:
    """What the environment lacks is told in one line, before any request."""
    assert run("table", "describe", "records").stderr.startswith("Error: No AWS region is set: set AWS_DEFAULT_REGION")
    result = run("table", "describe", "records", AWS_DEFAULT_REGION="eu-central-1")
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: No complete AWS credentials were found")
    assert result.stderr.count("\n") == 1


def reply(code: str) -> ClientError:
    """An error reply of DynamoDB."""
    return ClientError({"Error": {"Code": code, "Message": "its\nmessage"}}, "DescribeTable")


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (reply("AccessDeniedException"), "Access to the table 'records' is denied: its message"),
        (reply("ExpiredTokenException"), "AWS refused the credentials (ExpiredTokenException): sign in again"),
        (reply("ValidationException"), "DynamoDB refused the request for 'records' (ValidationException): its message"),
        (NoCredentialsError(), "No complete AWS credentials"),
        (PartialCredentialsError(provider="env", cred_var="AWS_SECRET_ACCESS_KEY"), "No complete AWS credentials"),
        (EndpointConnectionError(endpoint_url="https://x"), "DynamoDB did not answer: Could not connect"),
        (ProfileNotFound(profile="prod"), "The AWS client cannot be used as it is set up: The config profile (prod)"),
        (WaiterError("TableExists", "Max attempts exceeded", {}), "is not active yet, and TTL is not on"),
        (ConfigError("the kit's own words"), "the kit's own words"),
    ],
)
def test_each_error_is_one_line(error: BotoCoreError | ClientError | ConfigError, says: str) -> None:
    """Whatever AWS, its client or the kit says is told in one line that names what to do, and exit code 1."""
    with pytest.raises(click.ClickException) as raised, errors_in_one_line("records"):
        raise error
    assert says in raised.value.format_message()
    assert "\n" not in raised.value.format_message()
    assert raised.value.exit_code == 1
