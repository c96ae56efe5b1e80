"""AWS as the commands meet it: a client, and every error in one line that says what to do."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, cast

from idemlambda.cli._output import fail
from idemlambda.errors import ConfigError, IdempotencyError
from idemlambda.table import TableClient

if TYPE_CHECKING:
    from botocore.exceptions import ClientError
    from mypy_boto3_dynamodb import DynamoDBClient

REFUSED: Final = frozenset(
    {"UnrecognizedClientException", "InvalidSignatureException", "ExpiredTokenException", "InvalidClientTokenId"}
)
"""Error codes of DynamoDB that mean: these credentials are none, or none any more."""


def dynamodb_client() -> DynamoDBClient:
    """A client for DynamoDB, from the environment as it is."""
    import boto3

    return boto3.client("dynamodb")  # pyright: ignore[reportUnknownMemberType]  # stubs of other services are not there


def table_client() -> TableClient:
    """The same, as the functions of `idemlambda.table` want it."""
    return cast("TableClient", dynamodb_client())  # its typed stubs and a plain protocol do not meet


@contextmanager
def errors_in_one_line(table: str) -> Generator[None]:
    """Turn what AWS, its client or the kit says against a table into one line.

    Raises:
        click.ClickException: Something did; exit code 1.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        fail(reply_line(error, table))
    except BotoCoreError as error:
        fail(client_line(error))
    except (ConfigError, IdempotencyError) as error:
        fail(str(error))


def reply_line(error: ClientError, table: str) -> str:
    """What an error reply of DynamoDB means for the user."""
    told = error.response.get("Error", {})
    code, message = told.get("Code", ""), told.get("Message", "")
    if code == "ResourceNotFoundException":
        return (
            f"There is no table {table!r} in this account and region: look at AWS_DEFAULT_REGION and AWS_PROFILE, "
            f"or create it with: idemlambda table create {table}"
        )
    if code == "ResourceInUseException":
        return f"The table {table!r} is there already, or is just being changed: idemlambda table describe {table}"
    if code == "AccessDeniedException":
        return f"Access to the table {table!r} is denied: {message}"
    if code in REFUSED:
        return f"AWS refused the credentials ({code}): sign in again, or look at AWS_PROFILE. {message}"
    return f"DynamoDB refused the request for {table!r} ({code}): {message}"


def client_line(error: Exception) -> str:
    """What an error of the AWS client means for the user."""
    from botocore.exceptions import ConnectionError as NoConnection
    from botocore.exceptions import (
        HTTPClientError,
        NoCredentialsError,
        NoRegionError,
        PartialCredentialsError,
        WaiterError,
    )

    if isinstance(error, NoRegionError):
        return "No AWS region is set: set AWS_DEFAULT_REGION (boto3 reads no other), or a region in the AWS profile."
    if isinstance(error, NoCredentialsError | PartialCredentialsError):
        return (
            "No complete AWS credentials were found: sign in, and set AWS_PROFILE, "
            "or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
        )
    if isinstance(error, NoConnection | HTTPClientError):
        return f"DynamoDB did not answer: {error}"
    if isinstance(error, WaiterError):
        return f"The table was created, but is not active yet, and TTL is not on: {error}"
    return f"The AWS client cannot be used as it is set up: {error}"
