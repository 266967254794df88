"""From which checkpoints a partition continues, and what an operator is advised to do about the others."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import msgspec
import pytest

from fraudstream.engine.engine import Engine
from fraudstream.engine.rule_set import compile_rule_set
from fraudstream.kafka import Brokers
from fraudstream.stream.checkpoints.checkpoint_record import CheckpointRecord
from fraudstream.stream.checkpoints.resumption import Resumption
from fraudstream.stream.failure import PermanentFailure
from fraudstream.stream.partition import Partition
from fraudstream.stream.settings import StreamSettings
from fraudstream.stream.stages import stages_of
from fraudstream.stream.topics.cluster import Cluster

ROOT = Path(__file__).parents[4] / "examples/four_stages"
FOUR = {path.relative_to(ROOT).as_posix(): path.read_text() for path in sorted(ROOT.glob("**/*.yaml"))}


@pytest.mark.parametrize(
    ("stage", "topics"),
    [
        (
            "merchant",
            "topics 'g-merchant-state-changelog', 'g-payments-by-counterparty' and 'g-counterparty-state-changelog'",
        ),
        ("counterparty", "topic 'g-counterparty-state-changelog'"),
    ],
)
def test_the_advice_names_the_topics_of_later_stages_which_would_drop_what_is_judged_again(
    stage: str, topics: str
) -> None:
    engine = Engine(compile_rule_set(FOUR)).of_stage(stage)
    given = StreamSettings(brokers=Brokers("127.0.0.1:1"), checkpoint_mode="batch", group="g")
    ((settings, stage_engine),) = stages_of(given, engine)
    resumption = Resumption(settings, Cluster({}, "id", {}), stage_engine.stages)
    advice = str(resumption.other_layout(0, "layout 1, now 2"))
    assert f"stop all workers, delete the {topics} and run `fraudstream topics apply`" in advice


def resumed(checkpoint: dict[str, object], next_stage: str | None = None) -> None:
    """Whether a partition continues from a checkpoint of topic `payments`, id `id`, at 10."""
    settings = StreamSettings(brokers=Brokers("127.0.0.1:1"), checkpoint_mode="batch", next_stage=next_stage)
    known = {
        "next_offset": 10,
        "input_topic": "payments",
        "input_id": "id",
        "layout": "one",
        "rule_set": "r",
        "key_fingerprint": "mine",
    }
    record = msgspec.convert({**known, "mode": "batch", "epoch": "e", **checkpoint}, CheckpointRecord)
    partition = cast(Partition, SimpleNamespace(number=3, state=SimpleNamespace(layout="one", key_fingerprint="mine")))
    cluster = Cluster({"payments": 4}, "id", {}, next_id="next", next_partitions=4)
    Resumption(settings, cluster, ["account"]).check(partition, record)


def test_a_checkpoint_of_the_same_topic_layout_and_log_is_good() -> None:
    resumed({})


def test_a_checkpoint_of_another_layout_is_refused() -> None:
    with pytest.raises(PermanentFailure, match=r"payments-3 was written for another .* \(layout two"):
        resumed({"layout": "two"})


def test_a_checkpoint_of_another_identifier_secret_is_refused() -> None:
    for other in ("theirs", ""):
        with pytest.raises(PermanentFailure, match=f"payments-3 was built under the identifier secret {other}, this"):
            resumed({"key_fingerprint": other})


def test_a_checkpoint_of_a_topic_that_was_created_again_is_refused() -> None:
    with pytest.raises(PermanentFailure, match="it was created again, so its offsets refer to other payments"):
        resumed({"input_id": "another"})


def test_a_next_topic_that_was_created_again_is_refused() -> None:
    of_next = {"next_topic": "fraudstream-payments-by-device", "next_id": "next", "next_partitions": 4}
    resumed(of_next, next_stage="device")
    with pytest.raises(PermanentFailure, match="is not what it was when payments-3 forwarded payments to it"):
        resumed({**of_next, "next_id": "another"}, next_stage="device")
