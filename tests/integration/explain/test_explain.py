"""`fraudstream explain`: anyone can check what a worker sent, and see why it said nothing."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from fraudstream.contracts import Alert
from fraudstream.contracts.headers import source_header
from tests.integration.explain.conftest import Explain
from tests.integration.stream.world import RULES, World, write_rules

PAYMENTS = 60


async def sent_alerts(world: World) -> list[Alert]:
    """What a worker says to interleaved payments of 5 accounts, one of them a repeat."""
    async with world.worker():
        await world.publish(range(PAYMENTS), accounts=5)
        await world.publish([PAYMENTS - 1], accounts=5)
        return await world.alerts(PAYMENTS - 5)


async def test_an_alert_judged_again_is_the_same_byte_for_byte(world: World, explain: Explain) -> None:
    await expect_the_same(world, explain)


@pytest.mark.kafka
async def test_an_alert_judged_again_is_the_same_on_apache_kafka(kafka_world: World, explain: Explain) -> None:
    await expect_the_same(kafka_world, explain)


async def expect_the_same(world: World, explain: Explain) -> None:
    alerts = await sent_alerts(world)
    for alert in (alerts[0], alerts[-1]):
        code, said = await explain(world, alert.alert_id)
        assert code == 0, said
        assert "the same as was sent, byte for byte" in said
        assert f"yes  account.payments_30d >= 2  {alert.rules[0].message}" in said
        found = await explain.json(world, alert.alert_id, "--since", "1h")
        assert (found["agrees"], found["sent_as"], found["differences"]) == (True, "alert", [])
        assert found["stages"] == []
        assert found["trial"]["alert"] == found["sent"] == msgspec.json.decode(msgspec.json.encode(alert))
        assert found["records_before"] == int(alert.rules[0].message) - 1


async def test_a_payment_without_an_alert_is_explained_too(world: World, explain: Explain) -> None:
    await sent_alerts(world)
    code, said = await explain(world, "--event", "e0", "--account", "a0")
    assert code == 0, said
    assert "Judged again, the decision is the same as was sent, byte for byte." in said
    assert "verdict: allow" in said
    assert "Rules that fired: none" in said
    found = await explain.json(world, "--event", "e0", "--account", "a0")
    [rule] = found["trial"]["rules"]
    assert (rule["closeness"], rule["shortfall"], rule["tested"][0]["holds"]) == ("other", 0.5, False)


async def test_a_payment_that_nothing_was_said_about_is_found_in_the_log(world: World, explain: Explain) -> None:
    await world.publish(range(4), accounts=1)
    found = await explain.json(world, "--event", "e2", "--account", "a0")
    assert (found["agrees"], found["sent"], found["trial"]["decision"]["outcome"]) == (None, None, "review")


async def test_a_repeat_does_not_stand_in_the_way_of_its_first_time(world: World, explain: Explain) -> None:
    await sent_alerts(world)
    last = PAYMENTS - 1
    found = await explain.json(world, "--event", f"e{last}", "--account", f"a{last % 5}")
    assert (found["agrees"], found["sent"].get("repeat", False)) == (True, False)


async def test_an_alert_that_was_tampered_with_differs_and_says_where(world: World, explain: Explain) -> None:
    alert = (await sent_alerts(world))[0]
    original = await explain.json(world, alert.alert_id)
    forged = msgspec.structs.replace(alert, score=0.5)
    await world.publish_records(
        [(alert.account_id.encode(), msgspec.json.encode(forged))],
        world.settings.alerts_topic,
        headers=[source_header(original["partition"], original["offset"])],
        partition=original["partition"],
    )
    code, said = await explain(world, alert.alert_id)
    assert code == 1
    assert "DIFFERS from what was sent, in 1 field:" in said
    assert "$.score: sent 0.5, now 0.0" in said


async def test_the_rules_that_judged_are_taken_from_the_controls_where_the_directory_has_others(
    world: World, explain: Explain, tmp_path: Path
) -> None:
    alert = (await sent_alerts(world))[0]
    other = write_rules(tmp_path / "other", {path: text.replace(">= 2", ">= 3") for path, text in RULES.items()})
    code, said = await explain(world, alert.alert_id, rules=other)
    assert code == 0, said
    assert f"rule set {alert.rule_set}" in said


async def test_rules_that_are_nowhere_to_be_had_are_said_in_a_sentence(world: World, explain: Explain) -> None:
    original = await explain_any(world, explain)
    unknown = {**original["sent"], "alert_id": "1" * 32, "rule_set": "0" * 16}
    await world.publish_records(
        [(b"a0", msgspec.json.encode(unknown))],
        world.settings.alerts_topic,
        headers=[source_header(original["partition"], original["offset"])],
    )
    code, said = await explain(world, "1" * 32)
    assert code == 1
    assert "rule set 0000000000000000 decided this payment, but it is neither on the topic" in said


async def explain_any(world: World, explain: Explain) -> Any:
    return await explain.json(world, (await sent_alerts(world))[0].alert_id)


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        (["0" * 32], "has no alert 00000000000000000000000000000000"),
        (["--event", "nobody", "--account", "a0"], "has no payment nobody of account a0"),
        ([], "name an ALERT_ID, or a payment by --event and --account."),
        (["--event", "e0"], "name an ALERT_ID, or a payment by --event and --account."),
    ],
)
async def test_what_is_not_there_is_said_in_a_sentence(
    world: World, explain: Explain, args: list[str], sentence: str
) -> None:
    code, said = await explain(world, *args)
    assert (code, said.count("\n")) == (1, 1), said
    assert sentence in said


@pytest.mark.kafka
async def test_a_log_without_its_beginning_says_what_that_means(kafka_world: World, explain: Explain) -> None:
    world = kafka_world
    alerts = await sent_alerts(world)
    last = max(alerts, key=lambda alert: int(alert.rules[0].message))
    whole: dict[str, Any] = await explain.json(world, last.alert_id)
    partition, offset = whole["partition"], whole["offset"]
    await delete_before(world, partition, offset)
    code, said = await explain(world, last.alert_id)
    assert code == 1
    assert f"Retention has deleted the log before offset {offset:,}" in said
    assert "$.rules[0].message" in said or "no alert" in said
    await delete_before(world, partition, offset + 1)
    code, said = await explain(world, last.alert_id)
    assert code == 1
    assert f"retention has deleted the payment at {offset}" in said


async def delete_before(world: World, partition: int, offset: int) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=world.broker)
    await admin.start()
    try:
        tp = TopicPartition(world.settings.payments_topic, partition)
        await admin.delete_records({tp: RecordsToDelete(before_offset=offset)})
    finally:
        await admin.close()
