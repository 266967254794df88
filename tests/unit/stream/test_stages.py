from __future__ import annotations

import pytest

from fraudstream.engine.catalogue_reading import parse_catalogue
from fraudstream.engine.document import DocumentErrors
from fraudstream.engine.engine import Engine
from fraudstream.engine.rule_set import compile_rule_set
from fraudstream.kafka import Brokers
from fraudstream.stream.failure import PermanentFailure
from fraudstream.stream.settings import ALL_ENTITIES, StageForm, StreamSettings
from fraudstream.stream.stages import changelogs_of_other_form, check_form, settle_form, stages_of
from tests.unit.stream.in_memory import CHAIN, OWN, RULE

ENTITIES = ("account", "device")


def settings(stages: StageForm, state_version: int = 1) -> StreamSettings:
    brokers = Brokers("nowhere:1")
    return StreamSettings(brokers=brokers, checkpoint_mode="batch", stages=stages, state_version=state_version)


@pytest.fixture(scope="module")
def chain() -> Engine:
    rule = (RULE % 2).replace("account.payments_30d >= 2", "device.payments_30d >= 2")
    return Engine(compile_rule_set({"features.yaml": CHAIN, "t/rule.yaml": rule}))


@pytest.mark.parametrize(
    ("stages", "partitions", "form"),
    [
        ("auto", 1, "single"),
        ("auto", 2, "chain"),
        ("single", 1, "single"),
        ("chain", 1, "chain"),
        ("chain", 9, "chain"),
    ],
)
def test_stages_are_single_where_the_log_has_one_partition_unless_they_are_to_be_a_chain(
    stages: StageForm, partitions: int, form: StageForm
) -> None:
    assert settle_form(settings(stages), ENTITIES, partitions).stages == form


def test_single_stages_of_several_partitions_are_refused_with_the_entities_that_would_be_split() -> None:
    with pytest.raises(PermanentFailure) as refused:
        settle_form(settings("single"), ("account", "device", "merchant"), 3)
    assert refused.value.sentence == (
        "worker.stages is 'single', but 'payments' has 3 partitions: each would have a state of its own, and the "
        "payments of one device and merchant would be split among them. Set worker.stages=chain, or make a payments "
        "topic with one partition (topics.partitions=1)."
    )


@pytest.mark.parametrize("stages", ["auto", "single", "chain"])
def test_one_entity_has_one_stage_of_its_own_name_whatever_the_form_and_the_partitions(stages: StageForm) -> None:
    settled = settle_form(settings(stages), ("account",), 12)
    [(stage, engine)] = stages_of(settled, Engine(OWN))
    assert (stage.app_id, stage.stage, engine.decides) == ("fraudstream-account", "account", True)
    assert changelogs_of_other_form(settled, ("account",)) == []


def test_a_single_stage_reads_the_payments_decides_and_has_names_of_its_own(chain: Engine) -> None:
    [(stage, engine)] = stages_of(settings("single", 3), chain)
    assert (stage.input_topic, stage.next_topic, stage.labels_topic) == ("payments", None, "labels")
    assert (stage.app_id, stage.changelog_topic) == ("fraudstream-all-v3", "fraudstream-all-v3-state-changelog")
    assert [entity.plan.entity.name for entity in engine.new_state().entities] == list(ENTITIES)
    names = {name for other, _ in stages_of(settings("chain", 3), chain) for name in (other.app_id, other.stage)}
    assert not {stage.app_id, stage.stage} & names


def test_a_stage_of_a_chain_is_no_single_stage(chain: Engine) -> None:
    with pytest.raises(PermanentFailure, match=r"Set worker\.stages=chain for all workers and commands"):
        list(stages_of(settings("single"), chain.of_stage("device")))


@pytest.mark.parametrize(
    ("stages", "changelogs"),
    [
        ("single", ["fraudstream-account-state-changelog", "fraudstream-device-state-changelog"]),
        ("chain", ["fraudstream-all-state-changelog"]),
    ],
)
def test_a_state_version_has_one_form(stages: StageForm, changelogs: list[str]) -> None:
    of_form = settings(stages)
    assert changelogs_of_other_form(of_form, ENTITIES) == changelogs
    check_form(of_form, {})
    check_form(of_form, dict.fromkeys(changelogs, 0))
    with pytest.raises(PermanentFailure, match=f"its changelog '{changelogs[-1]}' has records"):
        check_form(of_form, {**dict.fromkeys(changelogs, 0), changelogs[-1]: 7})


def test_no_entity_has_the_name_of_the_single_stage() -> None:
    features = CHAIN.replace("device: {key", f"{ALL_ENTITIES}: {{key").replace("device.", f"{ALL_ENTITIES}.")
    with pytest.raises(DocumentErrors) as refused:
        parse_catalogue(features, "features.yaml")
    assert refused.value.faults[0].sentence == "an entity can't be named 'all', which means all of them."
