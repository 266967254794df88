"""A payment is judged again under the list entries that counted for it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from fraudstream.contracts.control import RuleSwitch
from fraudstream.stream.control_log import put_in_force
from tests.integration.explain.conftest import Explain
from tests.integration.stream.test_controls import OLD
from tests.integration.stream.test_seeded_controls import ENTRY
from tests.integration.stream.world import World, payment


def listed_payment(number: int) -> tuple[bytes, bytes]:
    return b"a", payment(number, "a", device_id=ENTRY.value)


async def create(world: World) -> World:
    await world.create_topics()
    return world


@pytest.fixture
async def world(broker: str, unique_name: Callable[[str], str], tmp_path: Path) -> World:
    return await create(World(broker, unique_name, tmp_path, rules=OLD, partitions=1))


async def test_a_switch_to_a_later_state_version_ends_no_explanation(world: World, explain: Explain) -> None:
    switch = RuleSwitch(rule_set=world.engine.rule_set.digest, by="r.holm", issued_at_ms=0, state_version=2)
    await put_in_force(world.settings, [], [switch])
    await put_in_force(world.settings, [], [ENTRY])
    await world.publish_records([listed_payment(1)])
    found = await explain.json(world, "--event", "e1", "--account", "a")
    assert found["trial"]["decision"]["outcome"] == "review"
