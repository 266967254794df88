"""`rules diff` on the topics of a deployment: the rules in force against a directory, on what was published."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fraudstream.cli.main import main
from fraudstream.contracts.headers import LABEL_HEADER
from fraudstream.controls.writer import keep, rule_set_records
from fraudstream.engine.rule_set import compile_rule_set
from fraudstream.operations.errors import OperationError
from fraudstream.operations.rules_in_force import read_in_force
from fraudstream.stream.control_log import controls_topic
from tests.brokers import SelectedBroker
from tests.integration.stream.cluster import StreamCluster
from tests.integration.stream.payments import START_MS, fraud_label, payment
from tests.integration.stream.rules import RULES, write_rules

STRICTER = {**RULES, "test/counted.yaml": RULES["test/counted.yaml"].replace(">= 2", ">= 3")}


@pytest.fixture
async def published(
    selected_broker: SelectedBroker, unique_name: Callable[[str], str], tmp_path: Path
) -> StreamCluster:
    """Twelve payments of two accounts a second apart, the last one labelled fraud, on topics that no worker has
    read."""
    cluster = StreamCluster(selected_broker.servers, unique_name, tmp_path / "rules", selected_broker.is_kafka)
    await cluster.create_topics()
    for n in range(12):
        record = (f"a{n % 2}".encode(), payment(n * 1_000, f"a{n % 2}"))
        await cluster.publish_records([record], timestamp_ms=START_MS + n * 1_000)
    label = (b"a1", fraud_label(11_000, "a1"))
    await cluster.publish_records([label], headers=[LABEL_HEADER], timestamp_ms=START_MS + 20_000)
    return cluster


async def in_force(cluster: StreamCluster, *rule_sets: dict[str, str]) -> None:
    for files in rule_sets:
        compiled = compile_rule_set(files)
        await keep(controls_topic(cluster.settings), rule_set_records(compiled.digest, compiled.files))


async def test_the_rules_in_force_are_compared_on_what_was_published(
    published: StreamCluster, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await in_force(published, RULES)
    stricter = write_rules(tmp_path / "stricter", STRICTER)

    async def found(*flags: str) -> Any:
        command = ["rules", "diff", "active", str(stricter), "--topics", "--json", *flags, *published.flags()]
        assert await asyncio.to_thread(main, command) == 0
        return json.loads(capsys.readouterr().out)

    whole = await found()
    assert (whole["payments"], whole["frauds"]) == (12, 1)
    assert (whole["old"]["alerts"]["alerts"]["count"], whole["new"]["alerts"]["alerts"]["count"]) == (10, 8)
    assert (whole["lost"]["alerts"]["count"], whole["gained"]["alerts"]["count"]) == (2, 0)
    late = await found("--since", "2023-11-14T22:13:28Z", "--warm-up", "2s")  # 8 s after the first payment
    assert (late["payments"], late["warm_up"]) == (4, 2)
    assert late["lost"]["alerts"]["count"] == 2  # the state begins two seconds earlier
    last = await found("--last", "2s")
    assert last["payments"] == 7  # from 5 s on: the middle one of the newest payments of a1 is at 7 s


async def test_rules_in_force_must_be_known(published: StreamCluster) -> None:
    with pytest.raises(OperationError, match="holds no rule set yet"):
        await read_in_force(published.settings)
    await in_force(published, RULES, STRICTER)
    with pytest.raises(OperationError, match="none was activated"):
        await read_in_force(published.settings)
