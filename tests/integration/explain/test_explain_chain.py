"""A payment of a chain of stages is explained through all of them: what each handed on is what its own log says."""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fraudstream.contracts import Alert, Label, Payment
from fraudstream.contracts.headers import FEATURES_HEADER
from tests.integration.explain.conftest import Explain
from tests.integration.explain.test_explain import delete_before
from tests.integration.stream.test_stages import DIFFERENT, FOUR, delete_topics, events, publish
from tests.integration.stream.world import World, write_rules

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
    """At least 20 of those that stand when these payments are decided, the earliest first."""
    async with world.worker():
        await publish(world, published)
        await world.decisions(len({event.event_id for event in published}))
        return sorted(await world.alerts(20), key=lambda alert: int(alert.event_id.removeprefix("e")))


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
    quiet = next(event for event in published if event.event_id not in {alert.event_id for alert in alerts})
    repeated = next(event for event, other in pairwise(published) if event == other)
    for event in (quiet, repeated):
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
            f"({stage['records_before']} records before): as forwarded"
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
    tampered, form = "device.payments_1h", chain.engine.of_stage("merchant").codec_out

    def one_more(value: bytes, packed: bytes) -> tuple[bytes, bytes]:
        forwarded = form.unpack([packed])
        values = forwarded.value.copy()
        values[form.features.index(tampered)] += 1
        return value, form.pack(forwarded._replace(value=values))[0]

    asked = await decided_again(chain, one_more)
    found = await explain.json(chain, *asked)
    assert (found["agrees"], found["sent_as"], found["differences"]) == (False, "decision", [])
    assert handed_on(found) == [*ALL_AGREE[:2], ("merchant", False, [tampered])]
    code, said = await explain(chain, *asked)
    assert code == 1
    assert "But what the stages before forwarded DIFFERS from what their logs give:" in said
    [difference] = found["stages"][-1]["differences"]
    assert int(difference["forwarded"]) == int(difference["now"]) + 1
    assert f"{tampered}: forwarded {difference['forwarded']}, now {difference['now']}" in said


async def test_a_payment_that_was_altered_on_its_way_is_told(chain: World, explain: Explain) -> None:
    asked = await decided_again(chain, lambda value, packed: (value.replace(b'"EUR"', b'"USD"'), packed))
    code, said = await explain(chain, *asked)
    assert code == 1
    assert "DIFFERS, as a different payment is at that offset: it was altered after this stage" in " ".join(
        said.split()
    )
    found = await explain.json(chain, *asked)
    assert handed_on(found) == [("account", None, []), ("device", None, []), ("merchant", False, [])]


async def decided_again(world: World, forge: Callable[[bytes, bytes], tuple[bytes, bytes]]) -> tuple[str, ...]:
    """How to ask for a payment that is decided twice: the second time as `forge` alters its value and features.

    The forgery stands in another partition of the last log, with the newest source there: so it is taken, and is no
    repeat.
    """
    last = events(1, start=201)
    [payment] = last
    needle, (*_, deciding) = f'"{payment.event_id}"'.encode(), world.stages

    async def decisions(count: int) -> None:
        await world.records(deciding.decisions_topic, lambda found: sum(needle in r.value for r in found) >= count)

    async with world.worker():
        await publish(world, events(200))
        await world.decisions(200)
        await publish(world, last)
        await decisions(1)
        log = await world.records(deciding.input_topic, lambda found: any(needle in r.value for r in found))
        original = next(record for record in log if needle in record.value)
        [source, (_, packed)] = original.headers
        value, packed = forge(original.value, packed)
        await world.publish_records(
            [(original.key, value)],
            deciding.input_topic,
            headers=[source, (FEATURES_HEADER, packed)],
            partition=(original.partition + 1) % DIFFERENT["counterparty"],
        )
        await decisions(2)
    return "--event", payment.event_id, "--account", payment.account_id


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
    assert (
        "features of account: could not be checked, as the payment could not be traced through the log of device"
        in words
    )


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
    return world.engine.of_stage("account").codec_out.features


async def test_a_payment_without_a_decision_under_other_features_is_told_to_want_the_rules_that_judged_it(
    chain: World, explain: Explain, tmp_path: Path
) -> None:
    chain.settings = msgspec.structs.replace(chain.settings, decisions=False)
    async with chain.worker():
        await publish(chain, events(200))
        alert = (await chain.alerts(20))[-1]
    changed = {path: text.replace("window: 1h", "window: 2h") for path, text in FOUR.items()}
    other = write_rules(tmp_path.with_name(f"{tmp_path.name}-other"), changed)
    named = ("--event", alert.event_id, "--account", alert.account_id)
    code, said = await explain(chain, *named, rules=other)
    assert code == 1
    assert "have features of a different rules/features.yaml than rule set" in said
    code, said = await explain(chain, *named)
    assert (code, "Nothing was sent that this could be compared with" in said) == (0, True), said
