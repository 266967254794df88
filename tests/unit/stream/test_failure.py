"""The first error ends a stage: nothing is applied after it, and it is reported once."""

from __future__ import annotations

import asyncio
import logging

import pytest
from aiokafka.errors import TopicAuthorizationFailedError

from fraudstream.stream.failure import (
    EXIT_CODE,
    EXIT_CODE_REFUSED,
    PermanentFailure,
    WorkerFailure,
    exit_code,
)
from tests.unit.stream.in_memory import Worker, payment


async def failed(error: BaseException) -> Worker:
    worker = Worker()
    await worker.assign(0)
    worker.stage.failure.fail(error)
    return worker


async def test_an_error_freezes_all_partitions_and_ends_the_stage() -> None:
    worker = await failed(WorkerFailure("something broke"))
    assert worker.stage.failure.ended.is_set()
    await worker.process(payment(0))
    assert worker.observer.judged == []
    await worker.checkpoint()
    assert worker.observer.checkpoints == [(0, 0)], "that of the opening"


async def test_later_errors_follow_from_the_first_and_are_not_reported() -> None:
    worker = await failed(WorkerFailure("first"))
    worker.stage.failure.fail(WorkerFailure("second"))
    assert worker.observer.failures == ["first"]


async def test_a_foreseen_failure_is_logged_without_a_traceback(caplog: pytest.LogCaptureFixture) -> None:
    await failed(WorkerFailure("something broke"))
    (record,) = [record for record in caplog.records if record.levelno == logging.CRITICAL]
    assert (record.getMessage(), record.exc_info) == ("something broke", None)


async def test_an_unforeseen_error_is_logged_with_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    await failed(ValueError("ours"))
    (record,) = [record for record in caplog.records if record.levelno == logging.CRITICAL]
    assert record.getMessage() == "ValueError: ours"
    assert record.exc_info


async def test_a_missing_permission_is_a_permanent_failure_that_names_the_topic() -> None:
    worker = await failed(TopicAuthorizationFailedError("decisions"))
    assert isinstance(worker.stage.failure.error, PermanentFailure)
    assert "READ or WRITE topic 'decisions'" in worker.observer.failures[0]


async def test_a_cancellation_is_no_failure() -> None:
    worker = Worker()
    with pytest.raises(asyncio.CancelledError):
        async with worker.stage.failure.failing():
            raise asyncio.CancelledError
    assert worker.stage.failure.error is None


def test_only_a_permanent_failure_asks_not_to_be_started_again() -> None:
    assert exit_code(PermanentFailure("settings")) == EXIT_CODE_REFUSED
    assert exit_code(WorkerFailure("broker")) == exit_code(ValueError()) == EXIT_CODE
