"""Where signatures are required, whoever may publish payments cannot change lists, rules or labels."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from fraudstream.contracts.control import RuleSwitch
from fraudstream.contracts.headers import CONTROL_HEADER, LABEL_HEADER
from fraudstream.contracts.record_signature import RecordSignatures, SigningSecrets, parse_secrets
from tests.brokers import SelectedBroker, on_both_brokers
from tests.integration.stream.cluster import StreamCluster
from tests.integration.stream.list_rules import ENTRY, OLD, TWO_STAGES
from tests.integration.stream.payments import fraud_label, payment
from tests.integration.stream.rule_commands import RuleCommands
from tests.integration.stream.rules import write_rules
from tests.integration.stream.topic_output import at_least

CONTROLS, LABELS = f"controls-1 {'ab' * 32}\n", f"labels-1 {'cd' * 32}\n"
UNKNOWN = "0123456789abcdef"


def requiring(cluster: StreamCluster) -> dict[str, str]:
    """Require signatures of both kinds on the cluster; returns the settings with which commands sign."""
    files = {"controls": CONTROLS, "labels": LABELS}
    for name, text in files.items():
        (cluster.directory / f"{name}.secret").write_text(text)
    signatures = RecordSignatures(parse_secrets("control", CONTROLS), parse_secrets("label", LABELS))
    cluster.settings = msgspec.structs.replace(cluster.settings, signatures=signatures)
    return {f"signatures.{name}_file": str(cluster.directory / f"{name}.secret") for name in files}


async def forge(cluster: StreamCluster, log: str) -> int:
    """Publish to `log` what a publisher of payments may try; returns the number of records."""
    entry = msgspec.json.encode(msgspec.structs.replace(ENTRY, value="dev-1"))
    own = SigningSecrets("control", {"controls-1": b"a guess" * 5})
    for value in (entry, msgspec.json.encode(RuleSwitch(UNKNOWN, "r.holm", 0))):
        for headers in ([CONTROL_HEADER], [CONTROL_HEADER, own.header(value)]):
            await cluster.publish_records([(None, value)], log, headers=headers, partition=0)
    return 4


@on_both_brokers
async def test_a_publisher_of_payments_cannot_publish_controls_or_labels(
    selected_broker: SelectedBroker,
    unique_name: Callable[[str], str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    servers, kafka = selected_broker
    cluster = StreamCluster(servers, unique_name, tmp_path, kafka, OLD, partitions=1)
    await cluster.create_topics()
    commands, files = RuleCommands(cluster, capsys), requiring(cluster)
    payments, labels = cluster.settings.payments_topic, cluster.settings.labels_topic
    async with cluster.worker():
        await cluster.publish_records([(b"a", payment(1, "a", device_id="dev-1"))])
        forged = await forge(cluster, payments)
        await cluster.publish_records([(b"a", fraud_label(1, "a"))], payments, headers=[LABEL_HEADER])
        await cluster.publish_records([(b"a", payment(2, "a", device_id="dev-1"))])
        first = await cluster.decisions(2)
        letters = await cluster.dead_letters(forged + 1)
        code, _, err = await commands.run(
            "lists", "add", ENTRY.list, "dev-1", "--by", "r.holm",
            *(word for name, path in files.items() for word in ("--set", f"{name}={path}")),
        )  # fmt: skip
        assert code == 0, err
        await cluster.publish_records([(b"a", fraud_label(1, "a"))], labels)
        await cluster.publish_records([(b"a", payment(3, "a", device_id="dev-1"))])
        (denied,) = [each for each in await cluster.decisions(3) if each.event_id not in {d.event_id for d in first}]
    assert [letter.reason for letter in letters] == ["signature"] * (forged + 1)
    assert {each.outcome for each in first} == {"allow"}
    assert denied.outcome != "allow"
    assert {each.rule_set for each in (*first, denied)} == {cluster.engine.rule_set.digest}
    assert len(await cluster.dead_letters(forged + 1)) == forged + 1, "a signed record was refused"
    log = await cluster.records(payments, at_least(forged + 6))  # three payments, two labels, the entry
    signed = [record for record in log if cluster.settings.signatures.accepts(record) and record.headers]
    assert [dict(record.headers)["type"] for record in signed] == [b"control", b"label"]


async def test_in_a_chain_every_log_refuses_forged_controls(
    broker: str, unique_name: Callable[[str], str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A switch in the first log cuts over to another state version: forged, it would stop the stage."""
    cluster = StreamCluster(broker, unique_name, tmp_path, rules=TWO_STAGES, partitions=1)
    await cluster.create_topics()
    commands, files = RuleCommands(cluster, capsys), requiring(cluster)
    write_rules(cluster.directory, TWO_STAGES)
    cut_over = msgspec.json.encode(RuleSwitch(UNKNOWN, "r.holm", 0, state_version=2))
    async with cluster.worker():
        await cluster.publish_records([(None, cut_over)], headers=[CONTROL_HEADER], partition=0)
        await cluster.publish_records([(b"a", fraud_label(1, "a"))], headers=[LABEL_HEADER])
        forged = await forge(cluster, cluster.stages[-1].input_topic)
        await cluster.publish_records([(b"a", payment(1, "a", device_id="dev-1"))])
        (first,) = await cluster.decisions(1)
        letters = await cluster.dead_letters(forged + 2)
        code, _, err = await commands.run(
            "lists", "add", ENTRY.list, "dev-1", "--by", "r.holm",
            *(word for name, path in files.items() for word in ("--set", f"{name}={path}")),
        )  # fmt: skip
        assert code == 0, err
        await cluster.publish_records([(b"a", fraud_label(1, "a"))], cluster.settings.labels_topic)
        await cluster.publish_records([(b"a", payment(2, "a", device_id="dev-1"))])
        second = (await cluster.decisions(2))[-1]
    assert {letter.reason for letter in letters} == {"signature"}
    assert (first.outcome, second.outcome != "allow") == ("allow", True)
    assert len(await cluster.dead_letters(forged + 2)) == forged + 2, "a signed record was refused"
