"""What a worker that can't go on tells to delete."""

from __future__ import annotations

from pathlib import Path

import pytest

from fraudstream.engine.engine import Engine
from fraudstream.engine.rule_set import compile_rule_set
from fraudstream.kafka import Brokers
from fraudstream.stream.faust.build import build_app
from fraudstream.stream.observer import Unobserved
from fraudstream.stream.settings import StreamSettings
from fraudstream.stream.stages import stages_of
from fraudstream.stream.topics.cluster import Cluster

ROOT = Path(__file__).parents[3] / "examples/four_stages"
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
def test_who_judges_anew_deletes_also_what_the_stages_behind_would_drop_again(
    stage: str, topics: str, tmp_path: Path
) -> None:
    engine = Engine(compile_rule_set(FOUR)).of_stage(stage)
    given = StreamSettings(brokers=Brokers("127.0.0.1:1"), checkpoint_mode="batch", group="g")
    ((settings, its_engine),) = stages_of(given, engine)
    names = {settings.input_topic, settings.dead_letters_topic, settings.decisions_topic, settings.alerts_topic}
    partitions = dict.fromkeys({*names, settings.next_topic or ""}, 1)
    app = build_app(
        settings, its_engine, Unobserved().of_stage(stage), Cluster(partitions, "id", {}), str(tmp_path), exits=False
    )
    said = str(app.resumption.other_layout(0, "layout 1, now 2"))
    assert f"stop all workers, delete the {topics} and run `fraudstream topics apply`" in said
