"""With a score that learns from late labels, a model that decides and two that challenge it, payments on a broker are
decided as `replay` decides a file of them, byte for byte: by one stage, across restarts, and by a chain of stages."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
import pyarrow.parquet as pq
import pytest

from fraudstream.backtest.label_order import Events
from fraudstream.backtest.replay import replay
from fraudstream.contracts import Decision, Payment
from fraudstream.engine.columns import time_ms
from fraudstream.engine.rule_set import compile_rule_set
from fraudstream.stream.faust.compilation import compile_way_of_a_payment
from tests.brokers import SelectedBroker, on_both_brokers
from tests.integration.stream.cluster import StreamCluster
from tests.integration.stream.model_rules import labelled_events, model_rules
from tests.integration.stream.stage_chain import (
    ONE_PARTITION_EACH,
    chain_cluster,
    cluster_of_form,
    payments_in,
    publish_events,
)
from tests.integration.stream.topic_output import at_least

pytest.importorskip("lightgbm")


class Replayed(NamedTuple):
    """What `replay` decided of all events: the values of the records that a worker sends."""

    decisions: list[bytes]
    alerts: list[bytes]


@pytest.fixture(scope="session")
def replayed(tmp_path_factory: pytest.TempPathFactory) -> Replayed:
    """In batches of 700 events."""
    out, events = tmp_path_factory.mktemp("replayed"), list(labelled_events())
    at_ms = [time_ms(event.occurred_at if isinstance(event, Payment) else event.labelled_at) for event in events]
    unlabelled = np.full(len(events), -1, np.int8)  # labels are events of the log
    texts, artefacts = model_rules()
    rule_set = compile_rule_set(texts, artefacts=artefacts)
    compile_way_of_a_payment(rule_set)  # on a cold start a worker would do so here, while the publisher waits
    replay(rule_set, [Events(events, np.array(at_ms), unlabelled)], out, label_delay_ms=0, batch_size=700)
    alerts = (out / "alerts.jsonl").read_bytes().splitlines()
    return Replayed([_decision(row) for row in pq.read_table(out / "decisions.parquet").to_pylist()], alerts)


def _decision(row: dict[str, object]) -> bytes:
    """A row of `decisions.parquet` as the value of a record of `decisions`."""
    shadow = {name.removeprefix("score."): value for name, value in row.items() if name.startswith("score.")}
    told = {name: value for name, value in row.items() if name in Decision.__struct_fields__}
    at_ms = round(row["occurred_at"].timestamp() * 1_000)  # type: ignore[attr-defined]
    scores = {} if row["repeat"] else shadow
    return msgspec.json.encode(msgspec.convert({**told, "occurred_at_ms": at_ms, "shadow_scores": scores}, Decision))


async def assert_decided_as(replayed: Replayed, cluster: StreamCluster) -> None:
    """Assert that the topics hold the replay's decisions and alerts, in its order."""
    decisions = await cluster.records(cluster.settings.decisions_topic, at_least(len(replayed.decisions)))
    alerts = await cluster.records(cluster.settings.alerts_topic, at_least(len(replayed.alerts)))
    assert [record.value for record in decisions] == replayed.decisions
    assert [record.value for record in alerts] == replayed.alerts


def test_the_replay_has_what_is_to_be_compared(replayed: Replayed) -> None:
    decisions = [msgspec.json.decode(value, type=Decision) for value in replayed.decisions]
    assert len(decisions) == payments_in(labelled_events())
    assert sum(decision.repeat for decision in decisions) > 20
    assert 50 < len(replayed.alerts) < len(decisions) / 10
    for name in ("score", "second", "third"):
        assert len({decision.shadow_scores[name] for decision in decisions if not decision.repeat}) > 300


@on_both_brokers
async def test_one_stage_decides_as_replay_across_restarts_and_lists_of_any_length(
    selected_broker: SelectedBroker, unique_name: Callable[[str], str], tmp_path: Path, replayed: Replayed
) -> None:
    """Published in bursts of 1, 2, 4 … events between which the worker decides, and restarted twice: each time with
    payments whose labels come later."""
    cluster = await cluster_of_form(selected_broker, unique_name, tmp_path, rules=model_rules())
    events = labelled_events()
    ends = [*(2**power - 1 for power in range(1, 12)), len(events)]
    for some in (ends[:9], ends[9:11], ends[11:]):
        async with cluster.worker():
            for end in some:
                begin = max([0, *(earlier for earlier in ends if earlier < end)])
                await publish_events(cluster, events[begin:end])
                await cluster.records(cluster.settings.decisions_topic, at_least(payments_in(events[:end])))
    await assert_decided_as(replayed, cluster)


@on_both_brokers
async def test_a_chain_of_four_stages_decides_as_replay(
    selected_broker: SelectedBroker, unique_name: Callable[[str], str], tmp_path: Path, replayed: Replayed
) -> None:
    cluster = await chain_cluster(selected_broker, unique_name, tmp_path, ONE_PARTITION_EACH, model_rules())
    assert len(cluster.stages) == 4
    async with cluster.worker():
        await publish_events(cluster, labelled_events())
        await assert_decided_as(replayed, cluster)
