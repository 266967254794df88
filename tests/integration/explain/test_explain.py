"""`fraudstream explain` reproduces what a worker sent, and shows why a payment had no alert."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from fraudstream.contracts import Alert
from fraudstream.contracts.headers import source_header
from tests.brokers import on_both_brokers, on_kafka
from tests.integration.explain.explain_command import ExplainCommand
from tests.integration.stream.cluster import StreamCluster
from tests.integration.stream.rules import RULES, write_rules
from tests.integration.stream.topic_output import at_least
from tests.integration.topic_admin import delete_records

PAYMENTS = 60


async def sent_alerts(cluster: StreamCluster) -> list[Alert]:
    """The alerts of a worker on interleaved payments of 5 accounts, one payment repeated."""
    async with cluster.worker():
        await cluster.publish(range(PAYMENTS), accounts=5)
        await cluster.publish([PAYMENTS - 1], accounts=5)
        return await cluster.alerts(PAYMENTS - 5)


@on_both_brokers
async def test_an_alert_evaluated_again_is_the_same_byte_for_byte(
    cluster: StreamCluster, explain: ExplainCommand
) -> None:
    alerts = await sent_alerts(cluster)
    for alert in (alerts[0], alerts[-1]):
        code, said = await explain(cluster, alert.alert_id)
        assert code == 0, said
        assert "the same as was sent, byte for byte" in said
        assert f"yes  account.payments_30d >= 2  {alert.rules[0].message}" in said
        found = await explain.json(cluster, alert.alert_id, "--since", "1h")
        assert (found["agrees"], found["sent_as"], found["differences"]) == (True, "alert", [])
        assert found["stages"] == []
        assert found["trial"]["alert"] == found["sent"] == msgspec.json.decode(msgspec.json.encode(alert))
        assert found["records_before"] == int(alert.rules[0].message) - 1


async def test_a_payment_without_an_alert_is_explained(cluster: StreamCluster, explain: ExplainCommand) -> None:
    await sent_alerts(cluster)
    code, said = await explain(cluster, "--event", "e0", "--account", "a0")
    assert code == 0, said
    assert "Decided again, the decision is the same as was sent, byte for byte." in said
    assert "verdict: allow" in said
    assert "Rules that fired: none" in said
    found = await explain.json(cluster, "--event", "e0", "--account", "a0")
    [rule] = found["trial"]["rules"]
    assert (rule["closeness"], rule["shortfall"], rule["tested"][0]["holds"]) == ("other", 0.5, False)


async def test_a_payment_without_a_decision_is_found_in_the_log(
    cluster: StreamCluster, explain: ExplainCommand
) -> None:
    await cluster.publish(range(4), accounts=1)
    found = await explain.json(cluster, "--event", "e2", "--account", "a0")
    assert (found["agrees"], found["sent"], found["trial"]["decision"]["outcome"]) == (None, None, "review")


async def test_a_repeated_payment_is_explained_by_its_first_occurrence(
    cluster: StreamCluster, explain: ExplainCommand
) -> None:
    await sent_alerts(cluster)
    last = PAYMENTS - 1
    found = await explain.json(cluster, "--event", f"e{last}", "--account", f"a{last % 5}")
    assert (found["agrees"], found["sent"].get("repeat", False)) == (True, False)


async def test_a_tampered_alert_is_reported_with_the_fields_that_differ(
    cluster: StreamCluster, explain: ExplainCommand
) -> None:
    alert = (await sent_alerts(cluster))[0]
    original = await explain.json(cluster, alert.alert_id)
    forged = msgspec.structs.replace(alert, score=0.5)
    await cluster.publish_records(
        [(alert.account_id.encode(), msgspec.json.encode(forged))],
        cluster.settings.alerts_topic,
        headers=[source_header(original["partition"], original["offset"])],
        partition=original["partition"],
    )
    code, said = await explain(cluster, alert.alert_id)
    assert code == 1
    assert "DIFFERS from what was sent, in 1 field:" in said
    assert "$.score: sent 0.5, now 0.0" in said


async def test_rules_are_taken_from_the_controls_where_the_directory_has_others(
    cluster: StreamCluster, explain: ExplainCommand, tmp_path: Path
) -> None:
    alert = (await sent_alerts(cluster))[0]
    other = write_rules(tmp_path / "other", {path: text.replace(">= 2", ">= 3") for path, text in RULES.items()})
    code, said = await explain(cluster, alert.alert_id, rules=other)
    assert code == 0, said
    assert f"rule set {alert.rule_set}" in said


async def test_an_unknown_rule_set_is_reported_in_one_sentence(cluster: StreamCluster, explain: ExplainCommand) -> None:
    original = await explain_any(cluster, explain)
    unknown = {**original["sent"], "alert_id": "1" * 32, "rule_set": "0" * 16}
    await cluster.publish_records(
        [(b"a0", msgspec.json.encode(unknown))],
        cluster.settings.alerts_topic,
        headers=[source_header(original["partition"], original["offset"])],
    )
    code, said = await explain(cluster, "1" * 32)
    assert code == 1
    assert "rule set 0000000000000000 decided this payment, but it is neither on the topic" in said


async def explain_any(cluster: StreamCluster, explain: ExplainCommand) -> Any:
    return await explain.json(cluster, (await sent_alerts(cluster))[0].alert_id)


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        (["0" * 32], "has no alert 00000000000000000000000000000000"),
        (["--event", "nobody", "--account", "a0"], "has no payment nobody of account a0"),
        ([], "name an ALERT_ID, or a payment by --event and --account."),
        (["--event", "e0"], "name an ALERT_ID, or a payment by --event and --account."),
    ],
)
async def test_an_unknown_alert_or_payment_is_reported_in_one_sentence(
    cluster: StreamCluster, explain: ExplainCommand, args: list[str], sentence: str
) -> None:
    code, said = await explain(cluster, *args)
    assert (code, said.count("\n")) == (1, 1), said
    assert sentence in said


@on_kafka
async def test_a_log_without_its_beginning_is_reported_with_the_consequences(
    cluster: StreamCluster, explain: ExplainCommand
) -> None:
    alerts = await sent_alerts(cluster)
    last = max(alerts, key=lambda alert: int(alert.rules[0].message))
    whole: dict[str, Any] = await explain.json(cluster, last.alert_id)
    partition, offset = whole["partition"], whole["offset"]
    await delete_records(cluster.brokers, cluster.settings.payments_topic, {partition: offset})
    code, said = await explain(cluster, last.alert_id)
    assert code == 1
    assert f"Retention has deleted the log before offset {offset:,}" in said
    assert "$.rules[0].message" in said or "no alert" in said
    await delete_records(cluster.brokers, cluster.settings.payments_topic, {partition: offset + 1})
    code, said = await explain(cluster, last.alert_id)
    assert code == 1
    assert f"retention has deleted the payment at {offset}" in said


@on_both_brokers
async def test_a_dead_lettered_payment_is_traced_to_its_dead_letter(
    cluster: StreamCluster, explain: ExplainCommand
) -> None:
    broken = b'{"event_id": "bad-1", "account_id": "a0", "amount": 12.5}'
    async with cluster.worker():
        [(partition, offset)] = await cluster.publish_records([(b"a0", broken)])
        [letter] = await cluster.dead_letters(1)
    code, said = await explain(cluster, "--event", "bad-1", "--account", "a0")
    assert code == 1
    assert "bad-1 of a0 was not decided: it could not be read as a payment." in said
    shown = " ".join(said.split())
    assert f"partition {partition}, offset {offset}: dead letter" in shown
    assert f"reason {letter.reason} {' '.join(letter.sentence.split())}" in shown
    assert "fraudstream dead-letters show " in said
    found = await explain.json(cluster, "--event", "bad-1", "--account", "a0")
    assert (found["decided"], [record["what"] for record in found["records"]]) == (False, ["dead letter"])


async def test_every_record_of_an_event_is_listed(cluster: StreamCluster, explain: ExplainCommand) -> None:
    payment = {"event_id": "x", "account_id": "a0", "occurred_at": 1_750_000_000_000, "amount": "5.00"}
    payment |= {"currency": "EUR", "direction": "debit"}
    values = [payment, payment, {**payment, "amount": "6.00"}, {**payment, "currency": "eur"}]
    async with cluster.worker():
        placed = await cluster.publish_records([(b"a0", msgspec.json.encode(value)) for value in values])
        await cluster.records(cluster.settings.decisions_topic, at_least(len(values)))
        await cluster.dead_letters(1)
    found = await explain.json(cluster, "--event", "x", "--account", "a0")
    listed = [(record["what"], (record["partition"], record["offset"])) for record in found["records"]]
    assert listed == list(zip(["first", "repeat", "altered", "dead letter"], placed, strict=True))
    code, said = await explain(cluster, "--event", "x", "--account", "a0")
    assert code == 0, said
    assert "Records of this payment: 4" in said
    assert "a repeat of other content, allow" in said


async def test_any_rule_shows_the_values_that_it_saw(cluster: StreamCluster, explain: ExplainCommand) -> None:
    alert = (await sent_alerts(cluster))[0]
    for args, said_of_it in (
        ([alert.alert_id], "Rule that fired"),
        (["--event", "e0", "--account", "a0"], "Rule that did not fire"),
    ):
        code, said = await explain(cluster, *args, "--rule", "test/counted")
        assert code == 0, said
        assert said_of_it in said
        assert "account.payments_30d >= 2" in said
        assert "account.payments_30d  " in said.split("Features that it reads")[1]
    code, said = await explain(cluster, alert.alert_id, "--rule", "test/count")
    assert code == 1
    assert "evaluates no rule 'test/count'. Nearest: 'test/counted'." in said
