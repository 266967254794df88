"""Which errors of Kafka's client a running worker explains in a sentence."""

from __future__ import annotations

import re

import pytest
from aiokafka.errors import KafkaTimeoutError, NotLeaderForPartitionError, ProducerFenced, UnknownTopicOrPartitionError

from fraudstream.kafka.failures import BROKER_ERRORS, kafka_sentence
from fraudstream.kafka.stall_detector import StalledError


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            StalledError("controls", 0, 7, 60.0),
            r"controls-0: no record from offset 7 on within 60 s\. .* After a restart",
        ),
        (ProducerFenced(), "Another worker has taken over a partition of this one"),
        (KafkaTimeoutError(), r"Kafka did not acknowledge this worker's records: no answer in time\."),
        (TimeoutError(), r"no answer in time\. After a restart it continues from its last checkpoint\."),
        (NotLeaderForPartitionError(), "Kafka did not acknowledge .*: not leader for partition\\."),
    ],
)
def test_what_kafka_may_do_to_a_worker_is_a_sentence(error: Exception, words: str) -> None:
    sentence = kafka_sentence(error)
    assert sentence is not None
    assert re.search(words, sentence)


@pytest.mark.parametrize("error", [ValueError("ours"), RuntimeError()])
def test_an_unforeseen_error_has_no_sentence(error: Exception) -> None:
    assert kafka_sentence(error) is None


def test_every_client_error_and_time_limit_counts_as_brokers_away() -> None:
    for error in (UnknownTopicOrPartitionError(), KafkaTimeoutError(), OSError(), TimeoutError()):
        assert isinstance(error, BROKER_ERRORS)
