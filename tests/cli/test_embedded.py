from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import boto3
import pytest

from idemlambda.cli._aws import dynamodb_client
from idemlambda.cli._embedded import Exchange, Server, embedded_dynamodb, environment


def test_conditional_writes_are_atomic_across_threads(table: str) -> None:
    """Of many conditional writes at once to one key, exactly one is applied, as in DynamoDB."""
    together = threading.Barrier(8)
    client = dynamodb_client()

    def claim(round_: int) -> bool:
        together.wait()
        try:
            client.put_item(
                TableName=table, Item={"id": {"S": str(round_)}}, ConditionExpression="attribute_not_exists(id)"
            )
        except client.exceptions.ConditionalCheckFailedException:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        for round_ in range(5):
            assert sum(pool.map(claim, [round_] * 8)) == 1
    client.close()


@pytest.mark.parametrize("region", [None, "eu-central-1"])
def test_no_region_is_needed_and_any_will_do(region: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The embedded DynamoDB is met without a region, and from whichever region is set."""
    if region is not None:
        monkeypatch.setenv("AWS_REGION", region)
    with embedded_dynamodb():
        client = dynamodb_client()
        assert client.meta.region_name == (region or "us-east-1")
        assert client.list_tables()["TableNames"] == []
        client.close()


def test_other_services_stay_inside_too() -> None:
    """A handler's calls to other services are answered by moto, and go nowhere."""
    with embedded_dynamodb():
        client = boto3.client("sts")
        assert client.get_caller_identity()["Account"] == "123456789012"
        client.close()


def test_the_environment_is_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """A user's own profile, keys and proxies are out of the way meanwhile, and back afterwards."""
    monkeypatch.setenv("AWS_PROFILE", "production")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "theirs")
    before = dict(os.environ)
    with embedded_dynamodb():
        assert "AWS_PROFILE" not in os.environ
        assert os.environ["AWS_ACCESS_KEY_ID"] != "theirs"
        assert os.environ["AWS_ENDPOINT_URL_DYNAMODB"].startswith("http://127.0.0.1:")
    assert dict(os.environ) == before
    with environment({}, absent=("NOT_THERE_AT_ALL",)):
        pass
    assert dict(os.environ) == before


@pytest.mark.parametrize(
    ("error", "is_told"), [(ConnectionResetError("killed"), False), (RuntimeError("a defect"), True)]
)
def test_a_killed_client_is_no_news(error: Exception, *, is_told: bool, capsys: pytest.CaptureFixture[str]) -> None:
    """A connection that breaks off is passed over; any other error of the server is reported."""
    server = Server(("127.0.0.1", 0), Exchange)
    report: Callable[[object, object], None] = server.handle_error
    try:
        raise error  # noqa: TRY301 - what socketserver meets
    except Exception:  # noqa: BLE001 - as socketserver catches it
        report(None, ("127.0.0.1", 1))
    finally:
        server.server_close()
    assert ("a defect" in capsys.readouterr().err) is is_told
