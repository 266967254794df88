"""Works the cases of a run as they appear on their topic: claims, notes, closes and reopens them, and errs.

What is done to a version of a case follows from the seed and from nothing else; where it meets the case's next alert
does not. Some actions come twice, and some do not fit what the case has become.
"""

from __future__ import annotations

import asyncio
from hashlib import blake2b
from typing import Final

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition

from benchmarks.chaos.publisher import PATIENCE_S
from benchmarks.chaos.world import World
from fraudstream.contracts import Case, CaseAction
from fraudstream.contracts.case import Disposition
from fraudstream.contracts.case_action import ActionName

POLL_MS: Final = 200
ACTIONS: Final[tuple[tuple[ActionName, Disposition | None] | None, ...]] = (
    ("claim", None),
    ("release", None),
    ("note", None),
    ("close", "fraud"),
    ("close", "genuine"),
    ("close", "inconclusive"),
    ("reopen", None),
    *(None,) * 5,  # so that no case is worked for ever
)
TWICE_OF: Final = 8  # one in so many comes twice

_case = msgspec.json.Decoder(Case).decode


def action_on(seed: int, case: Case) -> tuple[CaseAction | None, bool]:
    """What is done to this version of a case, None: nothing; and whether it is said twice."""
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
    )
    return action, drawn // 128 % TWICE_OF == 0


class Analyst:
    def __init__(self, world: World, seed: int) -> None:
        self._world, self._seed = world, seed

    async def run(self) -> None:
        """Until it is cancelled; what was sent is acknowledged then."""
        world = self._world
        consumer = AIOKafkaConsumer(
            **world.brokers.options(),
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            isolation_level="read_committed" if world.kafka else "read_uncommitted",
            fetch_max_wait_ms=POLL_MS if world.kafka else 5,
        )
        producer = AIOKafkaProducer(
            **world.brokers.options(),
            request_timeout_ms=round(PATIENCE_S * 1000),
            **({"enable_idempotence": True} if world.kafka else {"acks": "all"}),
        )
        try:
            await consumer.start()
            await producer.start()
            consumer.assign([TopicPartition(world.topic("cases"), number) for number in range(world.partitions)])
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
        topic, value, key = self._world.topic("case-actions"), msgspec.json.encode(action), action.account_id.encode()
        for _ in range(1 + twice):
            await producer.send(topic, value, key=key, partition=record.partition)  # where the case stands
