"""The brokers that tests run on, and the marks that select them.

A test that takes `selected_broker`, directly or through another fixture, runs on the embedded broker. `on_both_brokers`
runs it on Apache Kafka as well, `on_kafka` on Apache Kafka alone. Each parameter of Apache Kafka carries the mark
`kafka`, so that `-m kafka` and the default run select tests by broker.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import pytest

EMBEDDED: Final = "embedded"
KAFKA: Final = "kafka"


class SelectedBroker(NamedTuple):
    """`servers`: `host:port`. `is_kafka`: Apache Kafka, which has transactions; else the embedded broker."""

    servers: str
    is_kafka: bool


_KAFKA_PARAMETER = pytest.param(KAFKA, marks=pytest.mark.kafka)

on_both_brokers = pytest.mark.parametrize("selected_broker", [EMBEDDED, _KAFKA_PARAMETER], indirect=True)
on_kafka = pytest.mark.parametrize("selected_broker", [_KAFKA_PARAMETER], indirect=True)
