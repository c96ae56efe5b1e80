"""The engines that tests use beside Python: where they are, how one starts, and what happens without it."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import IO

    from mypy_boto3_dynamodb import DynamoDBClient

ROOT = Path(__file__).resolve().parent.parent
INSTALLED = ROOT / ".engines"
DYNAMODB_LOCAL = INSTALLED / "dynamodb-local"
SAM = INSTALLED / "bin" / "sam"

# DynamoDB Local answers about a second after its start; a loaded machine takes several times that.
START_SECONDS = 60.0
# Another process may take a free port between our look and Java's bind.
START_TRIES = 3


def _dynamodb_local_lacks() -> str | None:
    """What DynamoDB Local lacks to run here, or None."""
    if not (DYNAMODB_LOCAL / "DynamoDBLocal.jar").is_file():
        return "DynamoDB Local is not installed: run `make engines` (or `tools/engines dynamodb-local`)"
    if shutil.which("java") is None:
        return "DynamoDB Local needs java, which was not found: install a JRE (on Debian: default-jre-headless)"
    return None


def _sam_lacks() -> str | None:
    """What the SAM CLI lacks to run here, or None."""
    if not SAM.is_file():
        return "the SAM CLI is not installed: run `make engines` (or `tools/engines sam`)"
    return None


_LACKS: dict[str, Callable[[], str | None]] = {"dynamodb-local": _dynamodb_local_lacks, "sam": _sam_lacks}

# The fixtures of tests/conftest.py that stand for an engine; a test that names one is marked with it.
FIXTURES = {"dynamodb_local": "dynamodb-local", "dynamodb_local_client": "dynamodb-local", "sam": "sam"}


def require_engine(name: str) -> None:
    """Skips the running test when an engine is missing; under ``CI=true`` fails it, since there nothing may be missing.

    Raises:
        ValueError: there is no engine of that name.
    """
    if name not in _LACKS:
        message = f"there is no engine {name!r}; there are: {', '.join(_LACKS)}"
        raise ValueError(message)
    reason = _LACKS[name]()
    if reason is None:
        return
    if os.environ.get("CI", "").lower() in {"true", "1"}:
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def _free_port() -> int:
    """A loopback port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _answers(url: str) -> bool:
    """Whether DynamoDB Local answers there: an unsigned request is its 400."""
    try:
        urllib.request.urlopen(url, timeout=5).close()  # noqa: S310 - a loopback address, made in this file
    except urllib.error.HTTPError as answer:
        answer.close()
        return answer.code == 400
    except OSError:
        return False
    return True


def _started(process: subprocess.Popen[bytes], url: str) -> bool:
    """Waits until the engine answers; False when it ended before that, as it does when its port was taken."""
    give_up = time.monotonic() + START_SECONDS
    while process.poll() is None:
        if _answers(url):
            return True
        if time.monotonic() > give_up:
            break
        time.sleep(0.05)
    return False


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Ends the process that was started here, by its own handle, at once when it does not go by itself."""
    process.terminate()
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(timeout=10)


def _launch(port: int, log: IO[bytes]) -> subprocess.Popen[bytes]:
    """Starts DynamoDB Local in memory; without ``-sharedDb`` each access key id and region has its own tables."""
    java = shutil.which("java") or "java"
    engine = [java, "-Xmx256m", "-Djava.library.path=DynamoDBLocal_lib", "-jar", "DynamoDBLocal.jar"]
    options = ["-inMemory", "-port", str(port), "-disableTelemetry"]
    return subprocess.Popen(  # noqa: S603 - the pinned engine, with arguments made here
        [*engine, *options], cwd=DYNAMODB_LOCAL, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
    )


@contextlib.contextmanager
def running_dynamodb_local() -> Iterator[str]:
    """A DynamoDB Local of one's own, for the length of a ``with``: yields its endpoint URL.

    Raises:
        RuntimeError: it did not answer within `START_SECONDS`; the message carries its output.
    """
    for _ in range(START_TRIES):
        port = _free_port()
        url = f"http://127.0.0.1:{port}"
        with tempfile.TemporaryFile() as log:
            process = _launch(port, log)
            try:
                if _started(process, url):
                    yield url
                    return
            finally:
                _stop(process)
            log.seek(0)
            output = log.read().decode(errors="replace")
    message = f"DynamoDB Local did not start in {START_TRIES} tries; the last one said:\n{output}"
    raise RuntimeError(message)


def account_of_its_own(endpoint: str) -> DynamoDBClient:
    """A boto3 client with a fresh access key id, so that DynamoDB Local shows it no table of anybody else."""
    import boto3

    return boto3.client(
        "dynamodb",
        endpoint_url=endpoint,
        region_name="eu-west-1",
        aws_access_key_id=f"AKIA{secrets.token_hex(8).upper()}",
        aws_secret_access_key=secrets.token_hex(16),
    )
