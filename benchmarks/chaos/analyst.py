"""A simulated analyst: claims, annotates, closes and reopens the cases of a run as they appear on their topic.

The action on each version of a case is determined by the seed; how it interleaves with alerts is not. Some actions are
sent twice, and some are invalid for the state that the case has reached.
"""

from __future__ import annotations

import asyncio
from hashlib import blake2b
from typing import Final

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition

from benchmarks.chaos.environment import Environment
from benchmarks.chaos.publisher import REQUEST_TIMEOUT_S
from fraudstream.contracts import Case, CaseAction
from fraudstream.contracts.case_values import ActionName, Disposition

POLL_MS: Final = 200
ACTIONS: Final[tuple[tuple[ActionName, Disposition | None] | None, ...]] = (
    ("claim", None),
    ("release", None),
    ("note", None),
    ("close", "confirmed_fraud"),
    ("close", "false_positive"),
    ("close", "inconclusive"),
    ("reopen", None),
    *(None,) * 5,  # no action, so that the work on a case ends
)
TWICE_OF: Final = 8  # one in this many is sent twice

_case = msgspec.json.Decoder(Case).decode


def action_on(seed: int, case: Case) -> tuple[CaseAction | None, bool]:
    """The action on this version of a case (None: no action), and whether it is sent twice."""
    drawn = int.from_bytes(blake2b(f"{seed} {case.case_id} {case.version}".encode(), digest_size=8).digest())
    chosen = ACTIONS[drawn % len(ACTIONS)]
    if chosen is None:
        return None, False
    name, disposition = chosen
    action = CaseAction(
        action_id=f"{case.case_id}-{case.version}",
        case_id=case.case_id,
        account_id=case.account_id,
        action=name,
        actor=f"analyst-{drawn // 64 % 2}",
        acted_at=case.updated_at_ms,
        disposition=disposition,
        note="seen" if name == "note" else None,
        typology="other" if disposition == "confirmed_fraud" else None,
    )
    return action, drawn // 128 % TWICE_OF == 0


class Analyst:
    """Reads the cases topic of a run and publishes actions."""

    def __init__(self, environment: Environment, seed: int) -> None:
        self._environment, self._seed = environment, seed

    async def run(self) -> None:
        """Run until cancelled; flushes what was sent."""
        environment = self._environment
        consumer = AIOKafkaConsumer(
            **environment.brokers.options(),
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            isolation_level="read_committed" if environment.kafka else "read_uncommitted",
            fetch_max_wait_ms=POLL_MS,
        )
        producer = AIOKafkaProducer(
            **environment.brokers.options(),
            request_timeout_ms=round(REQUEST_TIMEOUT_S * 1000),
            **({"enable_idempotence": True} if environment.kafka else {"acks": "all"}),
        )
        try:
            await consumer.start()
            await producer.start()
            consumer.assign(
                [TopicPartition(environment.topic("cases"), number) for number in range(environment.partitions)]
            )
            await consumer.seek_to_beginning()
            while True:
                for records in (await consumer.getmany(timeout_ms=POLL_MS)).values():
                    for record in records:
                        await self._act(producer, record)
                await asyncio.sleep(POLL_MS / 1000)
        finally:
            await consumer.stop()
            await producer.stop()

    async def _act(self, producer: AIOKafkaProducer, record: ConsumerRecord) -> None:
        action, twice = action_on(self._seed, _case(record.value))
        if action is None:
            return
        topic, value, key = (
            self._environment.topic("case-actions"),
            msgspec.json.encode(action),
            action.account_id.encode(),
        )
        for _ in range(1 + twice):
            await producer.send(topic, value, key=key, partition=record.partition)  # the partition of the case
