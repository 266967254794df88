"""List entries and rules that the log of a deciding stage lacks are taken from the topic `controls`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from fraudstream.contracts.control import RuleSwitch, StoredRuleSet
from fraudstream.engine.rule_set import compile_rule_set
from fraudstream.stream.checkpoints.checkpoint_record import CheckpointRecord
from fraudstream.stream.checkpoints.last_checkpoint import last_checkpoints
from fraudstream.stream.control_log import keep, put_in_force
from fraudstream.stream.failure import PermanentFailure
from fraudstream.stream.rule_sets import rule_sets
from tests.integration.stream.cluster import StreamCluster
from tests.integration.stream.list_rules import ENTRY, NEW, NEW_DIGEST, OLD, TWO_STAGES
from tests.integration.stream.payments import payment
from tests.integration.stream.process import WAIT_S
from tests.integration.stream.topic_output import at_least

ANOTHER_DIGEST = "0123456789abcdef"


def switch_to(digest: str) -> RuleSwitch:
    """A control that puts a rule set in force."""
    return RuleSwitch(rule_set=digest, by="r.holm", issued_at_ms=0)


async def first_checkpoint(cluster: StreamCluster) -> CheckpointRecord:
    """The first checkpoint of the deciding stage's only partition, once it is there."""
    async with asyncio.timeout(WAIT_S):
        while True:
            checkpoint = (await last_checkpoints(cluster.stages[-1])).get(0)
            if checkpoint is not None:
                return checkpoint
            await asyncio.sleep(0.1)


@pytest.fixture
async def chain(broker: str, unique_name: Callable[[str], str], tmp_path: Path) -> StreamCluster:
    """Two stages, one partition a topic, on the embedded broker."""
    cluster = StreamCluster(broker, unique_name, tmp_path, rules=TWO_STAGES, partitions=1)
    await cluster.create_topics()
    return cluster


async def test_a_new_chain_starts_with_the_lists_in_controls_and_keeps_them_over_a_restart(
    chain: StreamCluster,
) -> None:
    """The rule switch in `controls` dates from before the chain: its rules need another state, so it is ignored."""
    await keep(chain.settings, [StoredRuleSet(NEW_DIGEST, NEW), switch_to(NEW_DIGEST), ENTRY])
    async with chain.worker():
        checkpoint = await first_checkpoint(chain)
    assert (checkpoint.begin, checkpoint.next_offset) == (0, 0)
    async with chain.worker():
        await chain.publish_records([(b"a", payment(1, "a", device_id="dev-8"))])
        (decision,) = await chain.decisions(1)
    assert (decision.outcome, decision.rule_set) == ("review", chain.engine.rule_set.digest)


async def test_a_new_chain_starts_with_its_own_last_switch(chain: StreamCluster) -> None:
    changed = {**TWO_STAGES, "score.yaml": NEW["score.yaml"]}
    digest = compile_rule_set(changed).digest
    await keep(chain.settings, [StoredRuleSet(digest, changed), switch_to(digest)])
    async with chain.worker():
        await chain.publish_records([(b"a", payment(1, "a", device_id="dev-8"))])
        (decision,) = await chain.decisions(1)
    assert decision.rule_set == digest


async def test_a_killed_worker_applies_no_list_entry_to_payments_before_it(
    chain: StreamCluster,
) -> None:
    """It dies before its next checkpoint, so its successor replays the partition from the beginning."""
    first = chain.start_process("first", {"worker.checkpoint_interval_s": "3600"})
    try:
        await first_checkpoint(chain)
        await chain.publish_records([(b"a", payment(1, "a", device_id="dev-8"))])
        await chain.decisions(1)
        assert await put_in_force(chain.stages[-1], [], [ENTRY]) == {0: 1}
    finally:
        first.kill()
    async with chain.worker():
        await chain.records(chain.settings.decisions_topic, at_least(2))
    twice = await chain.decisions(1)
    assert [decision.outcome for decision in twice] == ["allow", "allow"]


@pytest.mark.parametrize(("first_offset", "listed"), [(0, 0), (7, 1)])
async def test_a_partition_without_decisions_starts_again_with_its_list_entries(
    cluster: StreamCluster, first_offset: int, listed: int
) -> None:
    """From offset 0 the log has all entries, so none is taken from `controls`."""
    await keep(cluster.settings, [ENTRY])
    loaded, state = rule_sets(cluster.settings, cluster.engine), cluster.engine.new_state()
    await loaded.begin_again(state, first_offset, "the memory")
    assert len(list(state.lists.changes())) == listed


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (OLD, "This release compiles the rule set"),
        ({**OLD, "score.yaml": "of_later: 1\n"}, "This release cannot read the rule set"),
    ],
)
async def test_rules_that_only_another_release_can_read_are_refused(
    cluster: StreamCluster, files: dict[str, str], said: str
) -> None:
    await keep(cluster.settings, [StoredRuleSet(ANOTHER_DIGEST, files)])
    with pytest.raises(PermanentFailure, match=said):
        await rule_sets(cluster.settings, cluster.engine).load([ANOTHER_DIGEST])
