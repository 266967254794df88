"""A payment of a chain of stages is explained through all of them: what each handed on is what its own log says."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiokafka import ConsumerRecord

from fraudstream.contracts import Alert, Label, Payment
from fraudstream.contracts.headers import FEATURES_HEADER
from tests.integration.explain.conftest import Explain
from tests.integration.explain.test_explain import delete_before
from tests.integration.stream.test_stages import DIFFERENT, FOUR, delete_topics, events, publish
from tests.integration.stream.world import World

BEFORE = ["account", "device", "merchant"]


@pytest.fixture
async def chain(broker: str, unique_name: Callable[[str], str], tmp_path: Path) -> World:
    world = World(broker, unique_name, tmp_path, rules=FOUR, partitions=DIFFERENT)
    await world.create_topics()
    return world


@pytest.fixture
async def kafka_chain(kafka: str, unique_name: Callable[[str], str], tmp_path: Path) -> World:
    world = World(kafka, unique_name, tmp_path, kafka=True, rules=FOUR, partitions=DIFFERENT)
    await world.create_topics()
    return world


async def alerts_on(world: World, published: list[Payment | Label]) -> list[Alert]:
    """What the stages say to these payments, or at least 20 of it."""
    async with world.worker():
        await publish(world, published)
        await world.decisions(len({event.event_id for event in published}))
        return await world.alerts(20)


HandedOn = list[tuple[str, bool | None, list[str]]]
ALL_AGREE: HandedOn = [(stage, True, []) for stage in BEFORE]


def handed_on(found: Any) -> HandedOn:
    """Of each stage before the last: its name, whether it agrees, the features that differ."""
    return [
        (stage["stage"], stage["agrees"], [difference["feature"] for difference in stage["differences"]])
        for stage in found["stages"]
    ]


async def test_a_payment_of_a_chain_is_run_again_through_every_stage(chain: World, explain: Explain) -> None:
    published = events(200)
    alerts = await alerts_on(chain, published)
    for alert in (alerts[0], alerts[len(alerts) // 2], alerts[-1]):
        found = await explain.json(chain, alert.alert_id)
        assert (found["agrees"], found["sent_as"], found["differences"]) == (True, "alert", [])
        assert handed_on(found) == ALL_AGREE
        assert [stage["topic"] for stage in found["stages"]] == [stage.input_topic for stage in chain.stages[:-1]]
        assert found["topic"] == chain.stages[-1].input_topic
        names = {value["feature"].partition(".")[0] for value in found["trial"]["features"]}
        assert names >= {*BEFORE, "counterparty"}
    event = next(event for event in published if event.event_id not in {alert.event_id for alert in alerts})
    found = await explain.json(chain, "--event", event.event_id, "--account", event.account_id)
    assert (found["agrees"], found["sent_as"], handed_on(found)) == (True, "decision", ALL_AGREE)


async def test_each_stage_says_where_it_was_run_again(chain: World, explain: Explain) -> None:
    alert = (await alerts_on(chain, events(200)))[-1]
    code, said = await explain(chain, alert.alert_id)
    assert code == 0, said
    stages = (await explain.json(chain, alert.alert_id))["stages"]
    assert stages[0]["records_before"] > 0
    for stage in stages:
        assert (
            f"features of {stage['stage']}, from {stage['topic']}-{stage['partition']} at offset {stage['offset']} "
            f"({stage['records_before']} records before): as carried"
        ) in " ".join(said.split())


async def test_records_that_a_stage_sent_twice_count_once(chain: World, explain: Explain) -> None:
    published, device = events(200), chain.stages[1].input_topic
    async with chain.worker():
        await publish(chain, published[:100])
        for record in await chain.records(device, lambda found: len(found) >= 100):
            await chain.publish_records(
                [(record.key, record.value)], device, headers=list(record.headers), partition=record.partition
            )
    for alert in (await alerts_on(chain, published[100:]))[-3:]:
        found = await explain.json(chain, alert.alert_id)
        assert (found["agrees"], handed_on(found)) == (True, ALL_AGREE)


async def test_a_carried_feature_that_was_tampered_with_is_named(chain: World, explain: Explain) -> None:
    """A copy of the newest record, in another partition of the last log, where it is no repeat: it is decided again."""
    tampered, last = "device.payments_1h", events(1, start=201)
    [payment] = last
    await alerts_on(chain, events(200))
    async with chain.worker():
        await publish(chain, last)
        await decisions_on(chain, payment.event_id, 1)
        original = await carried_to(chain, payment.event_id)
        form = chain.engine.of_stage("merchant").form_out
        [source, (_, packed)] = original.headers
        carried = form.unpack([packed])
        value = carried.value.copy()
        value[form.features.index(tampered)] += 1
        await chain.publish_records(
            [(original.key, original.value)],
            original.topic,
            headers=[source, (FEATURES_HEADER, *form.pack(carried._replace(value=value)))],
            partition=(original.partition + 1) % DIFFERENT["counterparty"],
        )
        await decisions_on(chain, payment.event_id, 2)
    asked = ("--event", payment.event_id, "--account", payment.account_id)
    found = await explain.json(chain, *asked)
    assert (found["agrees"], found["differences"]) == (False, [])
    assert handed_on(found) == [*ALL_AGREE[:2], ("merchant", False, [tampered])]
    code, said = await explain(chain, *asked)
    assert code == 1
    assert "But what the stages before handed on DIFFERS from what their logs say:" in said
    [difference] = found["stages"][-1]["differences"]
    assert int(difference["carried"]) == int(difference["now"]) + 1
    assert f"{tampered}: carried {difference['carried']}, now {difference['now']}" in said


async def decisions_on(world: World, event_id: str, count: int) -> None:
    needle = f'"{event_id}"'.encode()
    topic = world.settings.decisions_topic
    await world.records(topic, lambda found: sum(needle in record.value for record in found) >= count)


async def carried_to(world: World, event_id: str) -> ConsumerRecord:
    """The payment in the last log."""
    needle = f'"{event_id}"'.encode()
    log = await world.records(world.stages[-1].input_topic, lambda found: any(needle in r.value for r in found))
    return next(record for record in log if needle in record.value)


async def test_stages_whose_log_is_gone_are_named_and_no_failure(chain: World, explain: Explain) -> None:
    alert = (await alerts_on(chain, events(200)))[-1]
    device = chain.stages[1].input_topic
    await delete_topics(chain, device)
    found = await explain.json(chain, alert.alert_id)
    assert (found["agrees"], handed_on(found)) == (True, [("account", None, []), ("device", None, []), ALL_AGREE[2]])
    code, said = await explain(chain, alert.alert_id)
    words = " ".join(said.split())
    assert code == 0, said
    assert f"features of device: could not be checked, as there is no topic '{device}'" in words
    assert "features of account: could not be checked, as the way there leads through the log of device" in words


@pytest.mark.kafka
async def test_a_stage_whose_log_lost_its_beginning_may_differ(kafka_chain: World, explain: Explain) -> None:
    world = kafka_chain
    alert = (await alerts_on(world, events(200)))[-1]
    whole = await explain.json(world, alert.alert_id)
    assert handed_on(whole) == ALL_AGREE
    account = whole["stages"][0]
    await delete_before(world, account["partition"], account["offset"])
    found = await explain.json(world, alert.alert_id)
    [(_, agrees, features), *others] = handed_on(found)
    assert (found["agrees"], agrees, others) == (True, None, ALL_AGREE[1:])
    assert {"since_ms", "account.payments_30d"} <= set(features) <= {"since_ms", *account_features(world)}
    code, said = await explain(world, alert.alert_id)
    assert code == 0, said
    assert "may differ, as retention has deleted the log before offset" in " ".join(said.split())
    await delete_before(world, account["partition"], account["offset"] + 1)
    code, said = await explain(world, alert.alert_id)
    assert code == 0, said
    assert "features of account: could not be checked, as" in " ".join(said.split())


def account_features(world: World) -> tuple[str, ...]:
    return world.engine.of_stage("account").form_out.features
