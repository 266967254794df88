"""Runs work on a Kafka cluster within a time limit, and turns Kafka's errors into one error with a sentence.

aiokafka waits 40 s for a first answer; a broker that accepts connections and never answers is found within `ANSWER_S`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, Literal, TypeVar

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaConnectionError, KafkaError

from fraudstream.kafka import Brokers
from fraudstream.kafka.connection_diagnosis import unreachable
from fraudstream.kafka.error_text import kafka_error_text
from fraudstream.kafka.permissions import denial
from fraudstream.operations.errors import OperationError
from fraudstream.stream.failure import NewerState

ANSWER_S: Final = 10.0  # for the first answer of any broker
DIAGNOSIS_S: Final = 10.0  # for finding out why none answers
CANCEL_S: Final = 5.0  # for work to close its clients after its time limit

Result = TypeVar("Result")
Reason = Literal["unreachable", "not_allowed", "no_answer", "refused"]


class ClusterError(OperationError):
    """The cluster at `servers` did not do what was asked. `reason`: "unreachable": no broker answers; "not_allowed": an
    ACL is missing; "no_answer": it stopped answering in the middle; "refused": any other error of Kafka's."""

    def __init__(self, servers: str, reason: Reason, sentence: str) -> None:
        super().__init__(sentence)
        self.servers = servers
        self.reason = reason


async def on_cluster(
    brokers: Brokers,
    work: Callable[[], Awaitable[Result]],
    *,
    answer_s: float | None = None,
    within_s: float | None = None,
) -> Result:
    """Run `work` and return its result. A broker is asked for its metadata first, and has `answer_s` (default
    `ANSWER_S`) to answer.

    `within_s`: time limit of `work`; None if it has its own limits, as reading or writing a whole log has. Raises
    `ClusterError`, `OperationError` for a state that only a later release can read, and what `work` raises.
    """
    try:
        await _first_answer(brokers, ANSWER_S if answer_s is None else answer_s)
        return await _within(work, within_s)
    except (KafkaError, ConnectionRefusedError, ConnectionResetError, TimeoutError) as error:
        raise await cluster_error(brokers, error) from error
    except NewerState as newer:
        raise OperationError(newer.sentence) from newer


async def cluster_error(brokers: Brokers, error: Exception, operation: str = "READ or WRITE") -> ClusterError:
    """The error to raise in place of one of aiokafka's, or of a time-out. `operation`: what a missing ACL would allow
    on a topic."""
    servers = brokers.servers
    if isinstance(error, KafkaConnectionError):
        return ClusterError(servers, "unreachable", await _why_unreachable(brokers))
    if (denied := denial(error, brokers, operation)) is not None:
        return ClusterError(servers, "not_allowed", denied)
    if isinstance(error, TimeoutError):
        detail = str(error).rstrip(".") or "no answer within the time limit; look at the brokers, then try again"
        return ClusterError(servers, "no_answer", f"Kafka at {servers}: {detail}.")
    return ClusterError(servers, "refused", f"Kafka at {servers}: {kafka_error_text(error)}.")


async def _within(work: Callable[[], Awaitable[Result]], within_s: float | None) -> Result:
    """Run `work` and return its result. Raises `TimeoutError` after `within_s`.

    Not by `asyncio.timeout`: that waits until the work is cancelled, and aiokafka may swallow a cancellation.
    """
    task = asyncio.ensure_future(work())
    try:
        await asyncio.wait({task}, timeout=within_s)
        if task.done():
            return task.result()
        raise TimeoutError
    finally:
        if not task.done():
            task.cancel()
            await asyncio.wait({task}, timeout=CANCEL_S)


async def _first_answer(brokers: Brokers, answer_s: float) -> None:
    """Raises `KafkaConnectionError` if no broker gives its metadata within `answer_s`."""
    client = AIOKafkaClient(**brokers.options(), request_timeout_ms=max(1, round(answer_s * 1000)))
    try:
        await client.bootstrap()
    finally:
        await client.close()


async def _why_unreachable(brokers: Brokers) -> str:
    try:
        async with asyncio.timeout(DIAGNOSIS_S):
            return await unreachable(brokers)
    except TimeoutError:
        return f"no broker answers at {brokers}: is the cluster up, and is kafka.bootstrap_servers right?"
