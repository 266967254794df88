"""When a running worker concludes that its topics changed. The brokers' answers are scripted."""

from __future__ import annotations

import asyncio

import pytest

from fraudstream.kafka import Brokers
from fraudstream.stream.failure import PermanentFailure
from fraudstream.stream.settings import StreamSettings
from fraudstream.stream.topics.cluster import Cluster
from fraudstream.stream.topics.watch import TopicWatch

SETTINGS = StreamSettings(brokers=Brokers("nowhere:1"), checkpoint_mode="batch", next_stage="device", topic_check_s=0)
AS_IT_WAS = Cluster({"payments": 4}, "id", {})
GROWN = Cluster({"payments": 5}, "id", {})
LACKING = PermanentFailure("there is no topic 'payments'")


async def watch(*answers: Cluster | Exception) -> int:
    """How many checks were made until the end of the script. Raises what the watch raises."""
    script, over = list(answers), asyncio.Event()

    async def look(_: StreamSettings) -> Cluster:
        if not script:
            over.set()
            await asyncio.Event().wait()
        answer = script.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    watch = TopicWatch(settings=SETTINGS, cluster=AS_IT_WAS, look=look, on_partitions=lambda partitions: None)
    watching, ended = asyncio.create_task(watch.run()), asyncio.create_task(over.wait())
    await asyncio.wait({watching, ended}, return_when=asyncio.FIRST_COMPLETED)
    for task in (ended, watching):
        task.cancel()
    await asyncio.wait({watching})
    if not watching.cancelled():
        watching.result()
    return len(answers) - len(script)


async def test_one_answer_from_a_broker_with_stale_metadata_ends_no_worker() -> None:
    assert await watch(LACKING, AS_IT_WAS, GROWN, AS_IT_WAS, LACKING) == 5


async def test_what_two_checks_in_a_row_find_wrong_ends_the_worker() -> None:
    with pytest.raises(PermanentFailure, match="has 5 partitions, and had 4"):
        await watch(AS_IT_WAS, GROWN, GROWN, AS_IT_WAS)


async def test_brokers_that_do_not_answer_between_two_checks_change_nothing() -> None:
    with pytest.raises(PermanentFailure, match="has 5 partitions"):
        await watch(GROWN, OSError("no route"), GROWN)


async def test_the_log_of_the_next_stage_must_stay_the_same_too() -> None:
    with pytest.raises(PermanentFailure, match="to which payments are forwarded"):
        await watch(*[AS_IT_WAS._replace(next_id="another")] * 2)


async def test_a_changelog_that_was_created_again_ends_the_worker() -> None:
    """It would go on writing the changes alone; and a standby may have read the former one."""
    with pytest.raises(PermanentFailure, match="the state that it held is gone"):
        await watch(*[AS_IT_WAS._replace(changelog_id="new")] * 2)


async def test_a_topic_that_was_created_again_ends_the_worker() -> None:
    with pytest.raises(PermanentFailure, match=r"was created again while the worker ran \(id id, now new\)"):
        await watch(*[AS_IT_WAS._replace(input_id="new")] * 2)
