"""A payment is judged again under the list entries that counted for it, whatever was changed since."""

from collections.abc import Callable
from pathlib import Path

import pytest

from fraudstream.contracts.control import ListEntry, RuleSwitch
from fraudstream.stream.control_log import keep, put_in_force
from tests.integration.explain.conftest import Explain
from tests.integration.explain.test_explain import delete_before
from tests.integration.stream.test_controls import OLD
from tests.integration.stream.test_seeded_controls import CHAIN, ENTRY
from tests.integration.stream.world import World, payment

REMOVAL = ListEntry(list=ENTRY.list, value=ENTRY.value, by="r.holm", issued_at_ms=1, removed=True)


def listed_payment(number: int) -> tuple[bytes, bytes]:
    return b"a", payment(number, "a", device_id=ENTRY.value)


async def create(world: World) -> World:
    await world.create_topics()
    return world


@pytest.fixture
async def world(broker: str, unique_name: Callable[[str], str], tmp_path: Path) -> World:
    return await create(World(broker, unique_name, tmp_path, rules=OLD, partitions=1))


@pytest.fixture
async def kafka_world(kafka: str, unique_name: Callable[[str], str], tmp_path: Path) -> World:
    return await create(World(kafka, unique_name, tmp_path, kafka=True, rules=OLD, partitions=1))


@pytest.fixture
async def chain(broker: str, unique_name: Callable[[str], str], tmp_path: Path) -> World:
    return await create(World(broker, unique_name, tmp_path, rules=CHAIN, partitions=1))


async def removed_since(world: World) -> str:
    """The id of the alert on a listed payment; behind it the entry is removed, and another payment comes."""
    async with world.worker():
        await put_in_force(world.settings, [], [ENTRY])
        await world.publish_records([listed_payment(1)])
        [alert] = await world.alerts(1)
        await put_in_force(world.settings, [], [REMOVAL])
        await world.publish_records([listed_payment(2)])
        await world.decisions(2)
    return alert.alert_id


async def expect_listed(world: World, explain: Explain, alert_id: str) -> None:
    found = await explain.json(world, alert_id)
    assert (found["agrees"], found["differences"], found["lists_unknown"]) == (True, [], [])
    [rule] = found["trial"]["rules"]
    assert (rule["closeness"], rule["tested"][0]["holds"]) == ("fired", True)


async def test_an_entry_that_was_removed_since_counts_again(world: World, explain: Explain) -> None:
    await expect_listed(world, explain, await removed_since(world))
    found = await explain.json(world, "--event", "e2", "--account", "a")
    assert (found["agrees"], found["trial"]["decision"]["outcome"]) == (True, "allow")


@pytest.mark.kafka
async def test_an_entry_that_retention_took_from_the_log_counts_again(kafka_world: World, explain: Explain) -> None:
    alert_id = await removed_since(kafka_world)
    found = await explain.json(kafka_world, alert_id)
    await delete_before(kafka_world, found["partition"], found["offset"])
    await expect_listed(kafka_world, explain, alert_id)


async def test_an_entry_of_before_the_chain_counts_again(chain: World, explain: Explain) -> None:
    await keep(chain.settings, [ENTRY])
    async with chain.worker():
        await chain.publish_records([listed_payment(1)])
        [alert] = await chain.alerts(1)
        await put_in_force(chain.stages[-1], [], [REMOVAL])
    await expect_listed(chain, explain, alert.alert_id)


async def test_that_an_entry_may_have_stood_before_the_log_is_said(chain: World, explain: Explain) -> None:
    async with chain.worker():
        await chain.publish_records([listed_payment(1)])
        await chain.decisions(1)
        await put_in_force(chain.stages[-1], [], [ENTRY])
    code, said = await explain(chain, "--event", "e1", "--account", "a")
    assert code == 0, said
    assert "was on stolen_devices is not known" in " ".join(said.split())


async def test_a_switch_to_a_later_state_version_ends_no_explanation(world: World, explain: Explain) -> None:
    switch = RuleSwitch(rule_set=world.engine.rule_set.digest, by="r.holm", issued_at_ms=0, state_version=2)
    await put_in_force(world.settings, [], [switch])
    await put_in_force(world.settings, [], [ENTRY])
    await world.publish_records([listed_payment(1)])
    found = await explain.json(world, "--event", "e1", "--account", "a")
    assert found["trial"]["decision"]["outcome"] == "review"
