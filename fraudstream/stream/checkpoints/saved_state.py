"""Before a worker joins its group: whether it can read the state that the group has saved.

A worker that found out afterwards would be given partitions, refuse their state and leave, at each of its restarts;
meanwhile their payments wait. A release with another row layout, or an older release than the one that saved the state,
ends here instead, and the workers that are there do not notice.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from fraudstream.contracts.undecodable import UNDECODABLE
from fraudstream.kafka.error_text import kafka_error_text
from fraudstream.kafka.failures import BROKER_ERRORS
from fraudstream.kafka.topic_reader import NoTopicError
from fraudstream.stream.checkpoints.last_checkpoint import last_checkpoints
from fraudstream.stream.checkpoints.resumption import Resumption
from fraudstream.stream.settings import StreamSettings

CHECK_S_MAX: Final = 10.0

log = logging.getLogger(__name__)


async def check_saved_state(settings: StreamSettings, resumption: Resumption, layout: str) -> None:
    """Check the last checkpoint of every partition of a stage. `layout`: of this worker's rows.

    Raises `NewerState` for one that only a later release can read, and `PermanentFailure` if all partitions have rows
    of another layout. Faults of some partitions, brokers that do not answer within `CHECK_S_MAX` and records that
    cannot be read are left to the recovery of those partitions.
    """
    asked = asyncio.ensure_future(last_checkpoints(settings))
    await asyncio.wait({asked}, timeout=CHECK_S_MAX)
    if not asked.done():
        asked.cancel()
        log.warning("the last checkpoints in %s were not read before the start: no answer", settings.changelog_topic)
        return
    try:
        checkpoints = asked.result()
    except (*BROKER_ERRORS, *UNDECODABLE, NoTopicError) as error:
        log.warning(
            "the last checkpoints in %s were not read before the start: %s",
            settings.changelog_topic,
            kafka_error_text(error),
        )
        return
    others = {number: saved.layout for number, saved in checkpoints.items() if saved and saved.layout != layout}
    if others and len(others) == len(checkpoints):
        raise resumption.other_layout(min(others), f"layout {others[min(others)]}, now {layout}")
