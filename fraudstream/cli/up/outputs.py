"""What comes out of the run: reads decisions, alerts, cases and dead letters from their topics and tells the board."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition

from fraudstream.board.run_state import RunState
from fraudstream.cli.settings import TopicsSettings
from fraudstream.cli.up.in_flight_payments import InFlightPayments
from fraudstream.contracts import Alert, Case, DeadLetter
from fraudstream.kafka import Brokers
from fraudstream.kafka.closing import close
from fraudstream.kafka.offset_gaps import OffsetGaps

FETCH_WAIT_MS: Final = 5  # the embedded broker sleeps for half of it, data or not
POLL_MS: Final = 100
RECORDS_MAX: Final = 5_000


class _Event(msgspec.Struct):
    """The part of a decision or a payment that is asked for here."""

    event_id: str


class Outputs:
    """Reads every partition of the four topics from its start, without a group."""

    def __init__(
        self, brokers: Brokers, topics: TopicsSettings, partitions: int, state: RunState, in_flight: InFlightPayments
    ) -> None:
        self._brokers = brokers
        self._topics = topics
        self._partitions = partitions
        self._state, self._flights = state, in_flight
        self._alert_ids: set[str] = set()
        self._decode_event = msgspec.json.Decoder(_Event).decode
        self._decode_dead_letter = msgspec.json.Decoder(DeadLetter).decode
        self._decode_alert = msgspec.json.Decoder(Alert).decode
        self._decode_case = msgspec.json.Decoder(Case).decode

    async def read(self) -> None:
        """Until cancelled."""
        topics = self._topics
        consumer = AIOKafkaConsumer(
            **self._brokers.options(),
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=FETCH_WAIT_MS,
        )
        names = (topics.decisions, topics.alerts, topics.cases, topics.dead_letters)
        try:
            await consumer.start()
            partitions = [TopicPartition(name, number) for name in names for number in range(self._partitions)]
            consumer.assign(partitions)
            for partition in partitions:
                consumer.seek(partition, 0)
            offset_gaps, due = OffsetGaps(consumer), dict.fromkeys(partitions, 0)
            while True:
                fetched = await consumer.getmany(timeout_ms=POLL_MS, max_records=RECORDS_MAX)
                for partition, found in fetched.items():
                    records = offset_gaps.contiguous(partition, due[partition], found)
                    if not records:
                        continue
                    due[partition] = records[-1].offset + 1
                    if partition.topic == topics.decisions:
                        await self._on_decisions([record.value for record in records])
                    elif partition.topic == topics.dead_letters:
                        for record in records:
                            await self._on_dead_letter(self._decode_dead_letter(record.value))
                    elif partition.topic == topics.alerts:
                        self._on_alerts([self._decode_alert(record.value) for record in records])
                    else:
                        for record in records:
                            self._state.on_case(self._decode_case(record.value))
        finally:
            await close(consumer)

    async def _on_decisions(self, values: Sequence[bytes]) -> None:
        decode = self._decode_event
        count, latencies_ms = await self._flights.arrive([decode(value).event_id for value in values])
        self._state.on_decided(count, latencies_ms)

    async def _on_dead_letter(self, letter: DeadLetter) -> None:
        """A payment that could not be judged has arrived too. What is no payment of ours counts as it comes."""
        try:
            event_id = self._decode_event(letter.value).event_id
        except msgspec.MsgspecError:
            self._state.dead_letters += 1
        else:
            count, _ = await self._flights.arrive([event_id])
            self._state.dead_letters += count

    def _on_alerts(self, alerts: Sequence[Alert]) -> None:
        """An alert that comes again, as after a worker's crash, is no news."""
        for alert in alerts:
            if alert.alert_id not in self._alert_ids:
                self._alert_ids.add(alert.alert_id)
                self._state.on_alert(alert)
