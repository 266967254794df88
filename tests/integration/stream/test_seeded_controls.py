"""What `controls` stands in for: lists and rules that the log of a deciding stage lacks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from fraudstream.contracts.control import ListEntry, RuleSwitch, StoredRuleSet
from fraudstream.engine.rule_set import compile_rule_set
from fraudstream.stream.checkpoints.changelog import CheckpointRecord
from fraudstream.stream.checkpoints.last_checkpoint import last_checkpoints
from fraudstream.stream.control_log import keep, put_in_force
from fraudstream.stream.failure import PermanentFailure
from fraudstream.stream.rule_sets import rule_sets
from tests.integration.stream.test_controls import NEW, NEW_DIGEST, OLD
from tests.integration.stream.world import WAIT_S, World, payment

DEVICE = """  device: {key: device_id, slots: 16}
features:
  device.payments_1h: {aggregate: count, window: 1h}
"""
CHAIN = {**OLD, "features.yaml": OLD["features.yaml"].replace("features:\n", DEVICE)}
ENTRY = ListEntry(list="stolen_devices", value="dev-8", by="r.holm", issued_at_ms=0)
ANOTHER_DIGEST = "0123456789abcdef"


def switch_to(digest: str) -> RuleSwitch:
    return RuleSwitch(rule_set=digest, by="r.holm", issued_at_ms=0)


async def opened(world: World) -> CheckpointRecord:
    """Of the deciding stage's only partition."""
    async with asyncio.timeout(WAIT_S):
        while True:
            checkpoint = (await last_checkpoints(world.stages[-1])).get(0)
            if checkpoint is not None:
                return checkpoint
            await asyncio.sleep(0.1)


@pytest.fixture
async def chain(broker: str, unique_name: Callable[[str], str], tmp_path: Path) -> World:
    world = World(broker, unique_name, tmp_path, rules=CHAIN, partitions=1)
    await world.create_topics()
    return world


async def test_a_new_chain_begins_with_the_lists_of_controls_and_keeps_them_over_a_restart(chain: World) -> None:
    """The switch that stands there is of the time before the chain: its rules are of another memory."""
    await keep(chain.settings, [StoredRuleSet(NEW_DIGEST, NEW), switch_to(NEW_DIGEST), ENTRY])
    async with chain.worker():
        checkpoint = await opened(chain)
    assert (checkpoint.begin, checkpoint.next_offset) == (0, 0)
    async with chain.worker():
        await chain.publish_records([(b"a", payment(1, "a", device_id="dev-8"))])
        (decision,) = await chain.decisions(1)
    assert (decision.outcome, decision.rule_set) == ("review", chain.engine.rule_set.digest)


async def test_a_new_chain_begins_with_its_own_last_switch(chain: World) -> None:
    changed = {**CHAIN, "score.yaml": NEW["score.yaml"]}
    digest = compile_rule_set(changed).digest
    await keep(chain.settings, [StoredRuleSet(digest, changed), switch_to(digest)])
    async with chain.worker():
        await chain.publish_records([(b"a", payment(1, "a", device_id="dev-8"))])
        (decision,) = await chain.decisions(1)
    assert decision.rule_set == digest


async def test_an_entry_of_after_the_first_payment_does_not_count_before_it_when_the_worker_dies(chain: World) -> None:
    """It dies before its next checkpoint, so that its successor has the partition from the beginning."""
    first = chain.start_process("first", {"worker.checkpoint_interval_s": "3600"})
    try:
        await opened(chain)
        await chain.publish_records([(b"a", payment(1, "a", device_id="dev-8"))])
        await chain.decisions(1)
        assert await put_in_force(chain.stages[-1], [], [ENTRY]) == {0: 1}
    finally:
        first.kill()
    async with chain.worker():
        await chain.records(chain.settings.decisions_topic, lambda found: len(found) >= 2)
    twice = await chain.decisions(1)
    assert [decision.outcome for decision in twice] == ["allow", "allow"]


@pytest.mark.parametrize(("first_offset", "listed"), [(0, 0), (7, 1)])
async def test_a_partition_of_which_nothing_was_judged_begins_again_with_its_entries(
    world: World, first_offset: int, listed: int
) -> None:
    """From offset 0 on the log has them all."""
    await keep(world.settings, [ENTRY])
    loaded, state = rule_sets(world.settings, world.engine), world.engine.new_state()
    await loaded.begin_again(state, first_offset, "the memory")
    assert len(list(state.lists.changes())) == listed


@pytest.mark.parametrize(
    ("files", "said"),
    [(OLD, "to this release"), ({**OLD, "score.yaml": "of_later: 1\n"}, "can't be read by this release")],
)
async def test_rules_that_only_another_release_reads_are_refused_and_none_goes_on_with_the_old_ones(
    world: World, files: dict[str, str], said: str
) -> None:
    await keep(world.settings, [StoredRuleSet(ANOTHER_DIGEST, files)])
    with pytest.raises(PermanentFailure, match=said):
        await rule_sets(world.settings, world.engine).load([ANOTHER_DIGEST])
