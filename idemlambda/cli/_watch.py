"""Watches what the idempotent functions of one attempt do: DynamoDB calls, starts, outcomes.

Works for any handler, whatever its `Idempotency` and its client: every botocore session made while `watching()` is
open notes its DynamoDB requests, and every flow of the kit passes through a flow around it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, TypedDict, cast
from unittest.mock import patch

from idemlambda import _guarded
from idemlambda._attempt import Ambient, Attempt, Reply
from idemlambda._core import Flow, run_once
from idemlambda.ports import OutcomeName

if TYPE_CHECKING:
    from botocore.awsrequest import AWSPreparedRequest

EVERY_REQUEST: Final = "before-send.dynamodb"
"""botocore's event for each HTTP request to DynamoDB, retries included."""

AttributeMap = Mapping[str, Mapping[str, object]]
"""Attributes as DynamoDB's JSON protocol writes them: `{"id": {"S": "..."}}`."""


class Target(TypedDict):
    """A table, and the item or the key in it that a call names."""

    table: str
    item: AttributeMap


@dataclass(frozen=True, slots=True)
class DynamoCall:
    """One request to DynamoDB: its operation, and what it names."""

    operation: str
    targets: tuple[Target, ...]

    def names(self, table: str) -> bool:
        """Whether the call is about this table."""
        return any(target["table"] == table for target in self.targets)


@dataclass(slots=True)
class Seen:
    """What was seen of one idempotent call; `is_inner` says that it ran within another one's function."""

    is_inner: bool
    outcome: OutcomeName = "failed"
    error: BaseException | None = None
    has_run: bool = False
    attempt: int = 0


@dataclass(slots=True)
class Watch:
    """What one attempt does. `at_start` is called when an idempotent function has been claimed and begins."""

    at_start: Callable[[Watch], None] | None = None
    calls: list[DynamoCall] = field(default_factory=list[DynamoCall])
    seen: list[Seen] = field(default_factory=list[Seen])

    @property
    def has_run(self) -> bool:
        """Whether any idempotent function ran."""
        return any(seen.has_run for seen in self.seen)

    @property
    def outer(self) -> list[Seen]:
        """The idempotent calls that the handler itself made, or was."""
        return [seen for seen in self.seen if not seen.is_inner]

    @contextmanager
    def here(self) -> Generator[Watch]:
        """Watch what this thread, its tasks and their threads do."""
        token = _watch.set(self)
        try:
            yield self
        finally:
            _watch.reset(token)


_watch: ContextVar[Watch | None] = ContextVar("idemlambda_cli_watch", default=None)
_inside: ContextVar[bool] = ContextVar("idemlambda_cli_inside", default=False)


@contextmanager
def watching() -> Generator[None]:
    """Let watches see the DynamoDB calls of sessions made from now on, and all flows."""
    import boto3
    from botocore.handlers import BUILTIN_HANDLERS

    entry = (EVERY_REQUEST, note_call)
    BUILTIN_HANDLERS.append(entry)
    boto3.setup_default_session()
    try:
        with patch.object(_guarded, "run_once", watched):
            yield
    finally:
        BUILTIN_HANDLERS.remove(entry)
        boto3.setup_default_session()


def note_call(request: AWSPreparedRequest, **_: object) -> None:
    """Note one request, and let it go on its way."""
    watch = _watch.get()
    if watch is not None:
        target: str | bytes = request.headers["X-Amz-Target"]
        name = target.decode() if isinstance(target, bytes) else target
        watch.calls.append(DynamoCall(name.rpartition(".")[2], targets_of(json.loads(cast("bytes", request.body)))))


def targets_of(body: Mapping[str, Any]) -> tuple[Target, ...]:
    """The tables and items that a request names: one, or those of a transaction."""
    if "TransactItems" in body:
        return tuple(
            target for entry in body["TransactItems"] for part in entry.values() for target in targets_of(part)
        )
    return (Target(table=body.get("TableName", ""), item=body.get("Key") or body.get("Item") or {}),)


def watched(attempt: Attempt, ambient: Ambient) -> Flow[Reply]:
    """The flow of one call, seen by the watch of the running code, if there is one."""
    watch = _watch.get()
    if watch is None:
        return (yield from run_once(attempt, ambient))
    seen = Seen(is_inner=_inside.get())
    watch.seen.append(seen)

    def function() -> object:
        seen.has_run = True
        if watch.at_start is not None:
            watch.at_start(watch)
        token = _inside.set(True)
        try:
            return attempt.function()
        finally:
            _inside.reset(token)

    try:
        reply = yield from run_once(replace(attempt, function=function), ambient)
    except Exception as error:
        seen.outcome, seen.error = _guarded.outcome_of(error), error
        raise
    seen.outcome, seen.error, seen.attempt = outcome_of(reply), reply.error, reply.attempt
    return reply


def outcome_of(reply: Reply) -> OutcomeName:
    """The outcome's name of a flow that ended with a reply."""
    if reply.replayed:
        return "replayed"
    if reply.recorded:
        return "executed"
    return "failed" if reply.error is not None else "unrecorded"
