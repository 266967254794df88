"""Every error that a Kafka client raises becomes one error with a sentence; what a caller raised itself stays."""

from __future__ import annotations

import pytest
from aiokafka.errors import KafkaConnectionError, KafkaTimeoutError, TopicAuthorizationFailedError

from fraudstream.kafka import Brokers
from fraudstream.kafka.stall_detector import StalledError
from fraudstream.operations.cluster_access import Reason, cluster_error, on_cluster

NOBODY = Brokers("127.0.0.1:1")


@pytest.mark.parametrize(
    ("error", "reason", "words"),
    [
        (KafkaConnectionError(), "unreachable", "no broker answers at 127.0.0.1:1"),
        (
            TopicAuthorizationFailedError("payments"),
            "not_allowed",
            "an anonymous client is not authorized to WRITE topic",
        ),
        (TimeoutError(), "no_answer", "no answer within the time limit"),
        (StalledError("payments", 0, 7, 1.0), "no_answer", "payments-0: no record from offset 7 on within 1 s."),
        (KafkaTimeoutError(), "refused", "127.0.0.1:1: no answer in time"),
    ],
)
async def test_an_error_of_kafkas_becomes_a_sentence(error: Exception, reason: Reason, words: str) -> None:
    found = await cluster_error(NOBODY, error, "WRITE")
    assert (found.reason, found.servers) == (reason, "127.0.0.1:1")
    assert words in found.sentence
    assert found.sentence.endswith((".", "?"))


async def test_no_work_is_begun_on_a_cluster_that_does_not_answer() -> None:
    begun = []

    async def work() -> None:
        begun.append(True)

    with pytest.raises(Exception, match=r"no broker answers at 127\.0\.0\.1:1"):
        await on_cluster(NOBODY, work, answer_s=1.0)
    assert begun == []
