"""Names and attributes of spans about Kafka records, by OpenTelemetry's semantic conventions for messaging."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, TypeAlias

Operation: TypeAlias = Literal["send", "process"]

EVENT_ID: Final = "fraudstream.event_id"
OUTCOME: Final = "fraudstream.outcome"
CASE_ID: Final = "fraudstream.case_id"


def span_name(operation: str, topic: str) -> str:
    """The name of a span. `operation`: a verb of ours.

    >>> span_name("decide", "payments")
    'decide payments'
    """
    return f"{operation} {topic}"


def kafka_attributes(
    topic: str,
    operation: str,
    kind: Operation,
    *,
    partition: int | None = None,
    offset: int | None = None,
    group: str | None = None,
    records: int | None = None,
) -> dict[str, str | int | float | bool]:
    """The attributes of a span. `operation`: as in its name; `kind`: what the conventions call it. `records`: how many
    it is about, if it is about a batch."""
    optional: Mapping[str, str | int | None] = {
        "messaging.destination.partition.id": None if partition is None else str(partition),
        "messaging.kafka.offset": offset,
        "messaging.consumer.group.name": group,
        "messaging.batch.message_count": records,
    }
    return {
        "messaging.system": "kafka",
        "messaging.destination.name": topic,
        "messaging.operation.name": operation,
        "messaging.operation.type": kind,
        **{name: value for name, value in optional.items() if value is not None},
    }
