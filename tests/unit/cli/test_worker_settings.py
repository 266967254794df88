"""What the worker gets of the command line's settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from fraudstream.cases.policy_file import read_policy
from fraudstream.cli.failure import Failure
from fraudstream.cli.settings import Override, load_settings
from fraudstream.cli.shipped import shipped
from fraudstream.cli.up.run_settings import RunBroker, partitions_for, settings_for
from fraudstream.cli.wanted_topics import wanted_topics
from fraudstream.cli.worker import stream_settings
from fraudstream.stream.settings import ALL_ENTITIES, StageForm

FOUR_STAGES = Path(__file__).parents[3] / "examples" / "four_stages"


def test_a_worker_keeps_the_name_it_was_given_over_restarts() -> None:
    settings = load_settings(overrides=[Override("worker.group_instance_id", "worker-7", "--set")])
    assert stream_settings(settings).group_instance_id == "worker-7"
    assert stream_settings(load_settings()).group_instance_id is None


def test_a_standby_sends_heartbeats_twice_as_often() -> None:
    cold, standby = (stream_settings(load_settings(overrides=[Override("worker.standby", on, "--set")])) for on in "01")
    assert (cold.standby, cold.heartbeat_s, standby.standby, standby.heartbeat_s) == (False, 2.0, True, 1.0)


@pytest.mark.parametrize(
    ("stages", "given", "found", "single"),
    [
        ("auto", None, None, True),  # 1 partition, by the topics file
        ("auto", 12, None, False),
        ("auto", 1, None, True),
        ("auto", 12, 1, True),  # what the cluster has counts
        ("auto", 1, 4, False),
        ("single", 1, None, True),
        ("chain", 1, 1, False),
    ],
)
def test_the_topics_are_those_of_the_form_that_the_payments_allow(
    stages: StageForm, given: int | None, found: int | None, single: bool
) -> None:
    wanted = {"worker.stages": stages, "topics.partitions": given, "rules.directory": str(FOUR_STAGES)}
    overrides = [Override(name, value, "--set") for name, value in wanted.items()]
    names = {topic.name for topic in wanted_topics(load_settings(overrides=overrides), payments_partitions=found)}
    assert (f"fraudstream-{ALL_ENTITIES}-state-changelog" in names) is single
    assert ("fraudstream-payments-by-device" in names) is not single
    assert ("fraudstream-account-state-changelog" in names) is not single


def test_topics_for_a_single_stage_of_several_partitions_are_refused() -> None:
    wanted = {"worker.stages": "single", "rules.directory": str(FOUR_STAGES), "topics.partitions": 12}
    settings = load_settings(overrides=[Override(name, value, "--set") for name, value in wanted.items()])
    with pytest.raises(Failure, match="'payments' has 12 partitions"):
        wanted_topics(settings)


@pytest.mark.parametrize(
    ("workers", "stages", "partitions"),
    [(1, "auto", 1), (1, "chain", 1), (2, "auto", 4), (5, "chain", 10), (2, "single", 1)],
)
def test_a_run_on_one_machine_has_one_partition_unless_workers_share_it(
    workers: int, stages: StageForm, partitions: int
) -> None:
    assert partitions_for(workers, stages) == partitions


def test_a_run_has_service_levels_unless_the_settings_name_a_policy() -> None:
    broker = RunBroker("embedded broker", "127.0.0.1:1", "batch")
    found = settings_for(load_settings(), broker, "redis://127.0.0.1:2", 1, Path("up")).cases.policy
    assert found is not None
    queues = read_policy(Path(found)).queues
    assert all(queue.first_action.breach and queue.closing.breach for queue in queues)
    assert {typology for queue in queues for typology in queue.typologies} <= {
        each.name for each in shipped("rules").iterdir()
    }
    assert (queues[-1].typologies, queues[-1].severity, queues[-1].amount) == ((), None, None)  # it takes every case
    own = load_settings(environment={"FRAUDSTREAM_CASES_POLICY": "own.yaml"})
    assert settings_for(own, broker, "redis://127.0.0.1:2", 1, Path("up")).cases.policy == "own.yaml"


def test_workers_of_a_run_that_cannot_share_its_partition_are_standbys() -> None:
    broker = RunBroker("embedded broker", "127.0.0.1:1", "batch")
    assert settings_for(load_settings(), broker, "redis://127.0.0.1:2", 1, Path("up"), standby=True).worker.standby
    assert not settings_for(load_settings(), broker, "redis://127.0.0.1:2", 1, Path("up")).worker.standby
