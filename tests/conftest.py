"""What every test shares: a bare environment, loopback only, and the engines."""

from __future__ import annotations

import ipaddress
import os
import signal
import sys
import threading
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from tests import engines

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mypy_boto3_dynamodb import DynamoDBClient

# Wall-clock deadlines fail on a loaded machine and say nothing about the code.
settings.register_profile("idemlambda", deadline=None)
settings.load_profile("idemlambda")


def _bare_environment() -> None:
    """Takes the developer's AWS set-up out of the tests: nothing here can reach an account by accident."""
    for name in list(os.environ):
        if name.startswith(("AWS_", "IDEMLAMBDA_", "POWERTOOLS_", "_LAMBDA_", "LAMBDA_")):
            del os.environ[name]
    os.environ["AWS_CONFIG_FILE"] = os.environ["AWS_SHARED_CREDENTIALS_FILE"] = os.devnull
    os.environ["AWS_EC2_METADATA_DISABLED"] = "true"


def _is_here(host: str) -> bool:
    """Whether a host is this machine, without asking a name server."""
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return host == "localhost"


def _loopback_only(event: str, arguments: tuple[object, ...]) -> None:
    """An audit hook: what this process would send to another machine, or ask a name server about it, is an error."""
    host: object = None
    if event == "socket.connect" and isinstance(arguments[1], tuple):
        host = arguments[1][0]
    elif event == "socket.getaddrinfo":
        host = arguments[0]
    # None, and the empty name, are this machine's own addresses: a server binds to them.
    if host and not _is_here(host.decode() if isinstance(host, bytes) else str(host)):
        raise PermissionError(f"a test tried to reach {host!r}: tests reach loopback only")


def _hears_ctrl_c() -> None:
    """Lets processes that tests start end on Ctrl-C, also where a background shell started this one deaf to it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.default_int_handler)


_bare_environment()
_hears_ctrl_c()
sys.addaudithook(_loopback_only)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks each test with the engines whose fixtures it names, so that ``-m "not engine"`` leaves them out."""
    for item in items:
        named = {engines.FIXTURES[name] for name in getattr(item, "fixturenames", ()) if name in engines.FIXTURES}
        for engine in sorted(named):
            item.add_marker(pytest.mark.engine(engine))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skips, or fails under ``CI=true``, before any fixture of a test starts that needs an engine not found here."""
    for marker in item.iter_markers("engine"):
        engines.require_engine(*marker.args)


@pytest.fixture(scope="session")
def dynamodb_local() -> Iterator[str]:
    """The endpoint URL of a DynamoDB Local that lives as long as this test process (a worker of xdist has its own)."""
    engines.require_engine("dynamodb-local")
    with engines.running_dynamodb_local() as endpoint:
        yield endpoint


@pytest.fixture
def dynamodb_local_client(dynamodb_local: str) -> Iterator[DynamoDBClient]:
    """A boto3 client for DynamoDB Local that sees no tables but those this test makes."""
    client = engines.account_of_its_own(dynamodb_local)
    yield client
    client.close()


@pytest.fixture(scope="session")
def sam() -> Path:
    """The SAM CLI's command, which sends no telemetry and looks for no newer version."""
    engines.require_engine("sam")
    return engines.SAM
