"""A payment of a chain of stages is explained through every stage: each forwarded what its own log gives."""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fraudstream.contracts import Alert, Label, Payment
from fraudstream.contracts.headers import FEATURES_HEADER
from tests.brokers import SelectedBroker, on_kafka
from tests.integration.explain.explain_command import ExplainCommand
from tests.integration.stream.cluster import StreamCluster
from tests.integration.stream.rules import write_rules
from tests.integration.stream.stage_chain import (
    DIFFERENT_PARTITIONS,
    FOUR_STAGES,
    chain_cluster,
    events,
    publish_events,
)
from tests.integration.stream.topic_output import at_least
from tests.integration.topic_admin import delete_records, delete_topics

BEFORE = ["account", "device", "merchant"]


@pytest.fixture
async def chain(selected_broker: SelectedBroker, unique_name: Callable[[str], str], tmp_path: Path) -> StreamCluster:
    """Four stages whose topics have different numbers of partitions."""
    return await chain_cluster(selected_broker, unique_name, tmp_path, DIFFERENT_PARTITIONS)


async def alerts_on(cluster: StreamCluster, published: list[Payment | Label]) -> list[Alert]:
    """At least 20 alerts, once these payments are decided, by number of the payment."""
    async with cluster.worker():
        await publish_events(cluster, published)
        await cluster.decisions(len({event.event_id for event in published}))
        return sorted(await cluster.alerts(20), key=lambda alert: int(alert.event_id.removeprefix("e")))


StageResults = list[tuple[str, bool | None, list[str]]]
ALL_AGREE: StageResults = [(stage, True, []) for stage in BEFORE]


def stage_results(found: Any) -> StageResults:
    """Of each stage before the last: its name, whether it agrees, and the features that differ."""
    return [
        (stage["stage"], stage["agrees"], [difference["feature"] for difference in stage["differences"]])
        for stage in found["stages"]
    ]


async def test_a_payment_of_a_chain_is_evaluated_again_by_every_stage(
    chain: StreamCluster, explain: ExplainCommand
) -> None:
    published = events(200)
    alerts = await alerts_on(chain, published)
    for alert in (alerts[0], alerts[len(alerts) // 2], alerts[-1]):
        found = await explain.json(chain, alert.alert_id)
        assert (found["agrees"], found["sent_as"], found["differences"]) == (True, "alert", [])
        assert stage_results(found) == ALL_AGREE
        assert [stage["topic"] for stage in found["stages"]] == [stage.input_topic for stage in chain.stages[:-1]]
        assert found["topic"] == chain.stages[-1].input_topic
        names = {value["feature"].partition(".")[0] for value in found["trial"]["features"]}
        assert names >= {*BEFORE, "counterparty"}
    quiet = next(event for event in published if event.event_id not in {alert.event_id for alert in alerts})
    repeated = next(event for event, other in pairwise(published) if event == other)
    for event in (quiet, repeated):
        found = await explain.json(chain, "--event", event.event_id, "--account", event.account_id)
        assert (found["agrees"], found["sent_as"], stage_results(found)) == (True, "decision", ALL_AGREE)


async def test_each_stage_is_shown_with_the_position_of_its_record(
    chain: StreamCluster, explain: ExplainCommand
) -> None:
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


async def test_records_that_a_stage_forwarded_twice_count_once(chain: StreamCluster, explain: ExplainCommand) -> None:
    published, device = events(200), chain.stages[1].input_topic
    async with chain.worker():
        await publish_events(chain, published[:100])
        for record in await chain.records(device, at_least(100)):
            await chain.publish_records(
                [(record.key, record.value)], device, headers=list(record.headers), partition=record.partition
            )
    for alert in (await alerts_on(chain, published[100:]))[-3:]:
        found = await explain.json(chain, alert.alert_id)
        assert (found["agrees"], stage_results(found)) == (True, ALL_AGREE)


async def test_a_tampered_forwarded_feature_is_named(chain: StreamCluster, explain: ExplainCommand) -> None:
    tampered, codec = "device.payments_1h", chain.engine.of_stage("merchant").codec_out

    def one_more(value: bytes, packed: bytes) -> tuple[bytes, bytes]:
        forwarded = codec.unpack([packed])
        values = forwarded.value.copy()
        values[codec.features.index(tampered)] += 1
        return value, codec.pack(forwarded._replace(value=values)).present()[0]

    asked = await decided_again(chain, one_more)
    found = await explain.json(chain, *asked)
    assert (found["agrees"], found["sent_as"], found["differences"]) == (False, "decision", [])
    assert stage_results(found) == [*ALL_AGREE[:2], ("merchant", False, [tampered])]
    code, said = await explain(chain, *asked)
    assert code == 1
    assert "But features that earlier stages forwarded DIFFER from what their logs give:" in said
    [difference] = found["stages"][-1]["differences"]
    assert int(difference["forwarded"]) == int(difference["now"]) + 1
    assert f"{tampered}: forwarded {difference['forwarded']}, now {difference['now']}" in said


async def test_a_payment_altered_between_stages_is_reported(chain: StreamCluster, explain: ExplainCommand) -> None:
    asked = await decided_again(chain, lambda value, packed: (value.replace(b'"EUR"', b'"USD"'), packed))
    code, said = await explain(chain, *asked)
    assert code == 1
    assert "DIFFERS, as a different payment is at that offset: it was altered after this stage" in " ".join(
        said.split()
    )
    found = await explain.json(chain, *asked)
    assert stage_results(found) == [("account", None, []), ("device", None, []), ("merchant", False, [])]


async def decided_again(
    cluster: StreamCluster, forge: Callable[[bytes, bytes], tuple[bytes, bytes]]
) -> tuple[str, ...]:
    """Decide a payment twice, the second time as `forge` alters its value and features; returns flags of `explain`.

    The forged record is in another partition of the last log with the newest source there, so it is not dropped as a
    repeat.
    """
    last = events(1, start=201)
    [payment] = last
    needle, (*_, deciding) = f'"{payment.event_id}"'.encode(), cluster.stages

    async def decisions(count: int) -> None:
        await cluster.records(deciding.decisions_topic, lambda found: sum(needle in r.value for r in found) >= count)

    async with cluster.worker():
        await publish_events(cluster, events(200))
        await cluster.decisions(200)
        await publish_events(cluster, last)
        await decisions(1)
        log = await cluster.records(deciding.input_topic, lambda found: any(needle in r.value for r in found))
        original = next(record for record in log if needle in record.value)
        [source, (_, packed)] = original.headers
        value, packed = forge(original.value, packed)
        await cluster.publish_records(
            [(original.key, value)],
            deciding.input_topic,
            headers=[source, (FEATURES_HEADER, packed)],
            partition=(original.partition + 1) % DIFFERENT_PARTITIONS["counterparty"],
        )
        await decisions(2)
    return "--event", payment.event_id, "--account", payment.account_id


async def test_stages_whose_log_was_deleted_are_named_without_failing(
    chain: StreamCluster, explain: ExplainCommand
) -> None:
    alert = (await alerts_on(chain, events(200)))[-1]
    device = chain.stages[1].input_topic
    await delete_topics(chain.brokers, device)
    found = await explain.json(chain, alert.alert_id)
    assert (found["agrees"], stage_results(found)) == (
        True,
        [("account", None, []), ("device", None, []), ALL_AGREE[2]],
    )
    code, said = await explain(chain, alert.alert_id)
    words = " ".join(said.split())
    assert code == 0, said
    assert f"features of device: could not be checked, as there is no topic '{device}'" in words
    assert (
        "features of account: could not be checked, as the payment could not be traced through the log of device"
        in words
    )


@on_kafka
async def test_a_stage_whose_log_lost_its_beginning_may_differ(chain: StreamCluster, explain: ExplainCommand) -> None:
    alert = (await alerts_on(chain, events(200)))[-1]
    whole = await explain.json(chain, alert.alert_id)
    assert stage_results(whole) == ALL_AGREE
    account = whole["stages"][0]
    await delete_records(chain.brokers, chain.settings.payments_topic, {account["partition"]: account["offset"]})
    found = await explain.json(chain, alert.alert_id)
    [(_, agrees, features), *others] = stage_results(found)
    assert (found["agrees"], agrees, others) == (True, None, ALL_AGREE[1:])
    assert {"since_ms", "account.payments_30d"} <= set(features) <= {"since_ms", *account_features(chain)}
    code, said = await explain(chain, alert.alert_id)
    assert code == 0, said
    assert "may differ, as retention has deleted the log before offset" in " ".join(said.split())
    await delete_records(chain.brokers, chain.settings.payments_topic, {account["partition"]: account["offset"] + 1})
    code, said = await explain(chain, alert.alert_id)
    assert code == 0, said
    assert "features of account: could not be checked, as" in " ".join(said.split())


def account_features(cluster: StreamCluster) -> tuple[str, ...]:
    return cluster.engine.of_stage("account").codec_out.features


async def test_an_undecided_payment_under_other_features_needs_the_rules_that_evaluated_it(
    chain: StreamCluster, explain: ExplainCommand, tmp_path: Path
) -> None:
    chain.settings = msgspec.structs.replace(chain.settings, decisions=False)
    async with chain.worker():
        await publish_events(chain, events(200))
        alert = (await chain.alerts(20))[-1]
    changed = {path: text.replace("window: 1h", "window: 2h") for path, text in FOUR_STAGES.items()}
    other = write_rules(tmp_path.with_name(f"{tmp_path.name}-other"), changed)
    named = ("--event", alert.event_id, "--account", alert.account_id)
    code, said = await explain(chain, *named, rules=other)
    assert code == 1
    assert "have features of a different rules/features.yaml than rule set" in said
    code, said = await explain(chain, *named)
    assert (code, "There is nothing to compare with" in said) == (0, True), said
