"""Reads decisions, alerts, cases and dead letters from their topics for the board."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from fraudstream.board.run_state import RunState
from fraudstream.cli.settings import TopicsSettings
from fraudstream.cli.up.in_flight_payments import InFlightPayments
from fraudstream.contracts import Alert, Case, DeadLetter
from fraudstream.contracts.case import POSITION_KEY
from fraudstream.contracts.undecodable import UNDECODABLE
from fraudstream.kafka import Brokers
from fraudstream.kafka.closing import close

POLL_MS: Final = 100
RECORDS_MAX: Final = 5_000


class _Event(msgspec.Struct):
    """The part of a payment that is needed here."""

    event_id: str


class _Decision(msgspec.Struct):
    """The part of a decision that is needed here. `event_id`: None if a record that was not judged had none."""

    outcome: str
    event_id: str | None = None


class Outputs:
    """Reads every partition of the four topics from its start, without a consumer group.

    `partitions`: how many each topic has. `state`: the board's; `in_flight`: payments that wait for their decision.
    """

    def __init__(
        self, brokers: Brokers, topics: TopicsSettings, partitions: int, state: RunState, in_flight: InFlightPayments
    ) -> None:
        self._brokers = brokers
        self._topics = topics
        self._partitions = partitions
        self._state, self._in_flight = state, in_flight
        self._alert_ids: set[str] = set()
        self._decode_decision = msgspec.json.Decoder(_Decision).decode
        self._decode_event = msgspec.json.Decoder(_Event).decode
        self._decode_dead_letter = msgspec.json.Decoder(DeadLetter).decode
        self._decode_alert = msgspec.json.Decoder(Alert).decode
        self._decode_case = msgspec.json.Decoder(Case).decode

    async def read(self) -> None:
        """Until cancelled. Raises aiokafka's errors."""
        topics = self._topics
        consumer = AIOKafkaConsumer(
            **self._brokers.options(),
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
        )
        names = (topics.decisions, topics.alerts, topics.cases, topics.dead_letters)
        try:
            await consumer.start()
            partitions = [TopicPartition(name, number) for name in names for number in range(self._partitions)]
            consumer.assign(partitions)
            for partition in partitions:
                consumer.seek(partition, 0)
            while True:
                fetched = await consumer.getmany(timeout_ms=POLL_MS, max_records=RECORDS_MAX)
                for partition, records in fetched.items():
                    if partition.topic == topics.cases:
                        self._on_cases(records)
                    else:
                        await self._on_values(partition.topic, [record.value for record in records])
        finally:
            await close(consumer)

    async def _on_values(self, topic: str, values: Sequence[bytes]) -> None:
        """Records of one topic."""
        topics = self._topics
        if topic == topics.decisions:
            await self._on_decisions(values)
        elif topic == topics.dead_letters:
            for value in values:
                await self._on_dead_letter(self._decode_dead_letter(value))
        else:
            self._on_alerts([self._decode_alert(value) for value in values])

    def _on_cases(self, records: Sequence[ConsumerRecord[bytes, bytes]]) -> None:
        """Cases as they are now, and cases that have left."""
        for record in records:
            if record.value is None:
                self._state.on_case_removed((record.key or b"").decode(errors="replace"))
            elif record.key != POSITION_KEY:
                self._state.on_case(self._decode_case(record.value))

    async def _on_decisions(self, values: Sequence[bytes]) -> None:
        """A record that was not judged is completed by its dead letter."""
        decisions = map(self._decode_decision, values)
        judged = [d.event_id for d in decisions if d.event_id is not None and d.outcome != "unjudged"]
        count, latencies_ms = await self._in_flight.decided(judged)
        self._state.on_decided(count, latencies_ms)

    async def _on_dead_letter(self, letter: DeadLetter) -> None:
        """The dead letter of a payment completes it, and counts once. Other dead letters always count."""
        try:
            event_id = self._decode_event(letter.value).event_id
        except UNDECODABLE:
            self._state.dead_letters += 1
        else:
            count, _ = await self._in_flight.decided([event_id])
            self._state.dead_letters += count

    def _on_alerts(self, alerts: Sequence[Alert]) -> None:
        """Repeated alerts, as after a worker's crash, are dropped."""
        for alert in alerts:
            if alert.alert_id not in self._alert_ids:
                self._alert_ids.add(alert.alert_id)
                self._state.on_alert(alert)
