"""A payment is evaluated again under the records that the worker accepted, not under forged ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from fraudstream.contracts.headers import CONTROL_HEADER
from fraudstream.contracts.record_signature import RecordSignatures, parse_secrets
from fraudstream.stream.control_log import put_in_force
from tests.integration.explain.explain_command import ExplainCommand
from tests.integration.explain.listed_payments import REMOVAL, listed_payment
from tests.integration.stream.cluster import StreamCluster
from tests.integration.stream.list_rules import ENTRY, OLD, TWO_STAGES

SECRETS = f"controls-1 {'ab' * 32}"


@pytest.mark.parametrize("rules", [OLD, TWO_STAGES], ids=["one stage", "two stages"])
async def test_explain_passes_over_a_forged_removal_as_the_worker_did(
    rules: dict[str, str],
    broker: str,
    unique_name: Callable[[str], str],
    tmp_path: Path,
    explain: ExplainCommand,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cluster = StreamCluster(broker, unique_name, tmp_path, rules=rules, partitions=1)
    await cluster.create_topics()
    signatures = RecordSignatures(controls=parse_secrets("control", SECRETS))
    cluster.settings = msgspec.structs.replace(cluster.settings, signatures=signatures)
    deciding = cluster.stages[-1]
    async with cluster.worker():
        await put_in_force(deciding, [], [ENTRY])
        removal = [(None, msgspec.json.encode(REMOVAL))]
        await cluster.publish_records(removal, deciding.input_topic, headers=[CONTROL_HEADER], partition=0)
        await cluster.publish_records([listed_payment(1)])
        [alert] = await cluster.alerts(1)
    unaware = await explain.json(cluster, alert.alert_id)
    assert unaware["agrees"] is False, "without the secret the forged removal counts"
    (tmp_path / "secrets").write_text(SECRETS)
    monkeypatch.setenv("FRAUDSTREAM_SIGNATURES_CONTROLS_FILE", str(tmp_path / "secrets"))
    found = await explain.json(cluster, alert.alert_id)
    assert (found["agrees"], found["differences"]) == (True, [])
