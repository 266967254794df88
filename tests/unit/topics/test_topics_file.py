from collections.abc import Sequence
from pathlib import Path

import pytest

from fraudstream.cli.settings import load_settings
from fraudstream.cli.wanted_topics import wanted_topics
from fraudstream.cli.worker import stream_settings
from fraudstream.kafka import Brokers
from fraudstream.stream.settings import ALL_ENTITIES, StreamSettings
from fraudstream.stream.topics.file import Topic, TopicsError, read_topics

NAMES = {"payments": "payments", "cases": "cases"}
TEXT = """
version: 1
defaults:
  partitions: 12
  replication: 3
  configs: {cleanup.policy: delete, min.insync.replicas: 2}
topics:
  payments: {configs: {retention.ms: 1000, preallocate: true}}
  cases: {partitions: 3, replication: 2, configs: {cleanup.policy: compact}}
  forwarded: {name: "{group}-{payments}-by-{later_stage}"}
  changelog: {name: "{group}-{stage}-changelog"}
"""


def read(
    text: str = TEXT,
    partitions: int | None = None,
    replication: int | None = None,
    stages: Sequence[str] = ("account",),
) -> dict[str, Topic]:
    topics = read_topics(text, "topics.yaml", NAMES, "app", stages, partitions, replication)
    return {topic.name: topic for topic in topics}


def said_of(text: str) -> str:
    with pytest.raises(TopicsError) as caught:
        read(text)
    return str(caught.value)


def test_a_topic_has_the_defaults_and_its_own_settings_over_them() -> None:
    topics = read()
    configs = {"cleanup.policy": "delete", "min.insync.replicas": "2", "retention.ms": "1000", "preallocate": "true"}
    assert topics["payments"] == Topic("payments", 12, 3, configs)
    assert topics["cases"] == Topic("cases", 3, 2, {"cleanup.policy": "compact", "min.insync.replicas": "2"})


def test_the_changelogs_name_follows_from_group_and_stage() -> None:
    assert "app-account-changelog" in read()


def test_each_stage_has_a_changelog_and_each_but_the_first_a_topic_for_forwarded_payments() -> None:
    assert [name for name in read(stages=("account", "device", "merchant")) if name.startswith("app-")] == [
        *("app-payments-by-device", "app-payments-by-merchant"),
        *("app-account-changelog", "app-device-changelog", "app-merchant-changelog"),
    ]
    assert [name for name in read() if "-by-" in name] == []


def test_counts_in_the_settings_go_over_the_files() -> None:
    topics = read(partitions=4, replication=1)
    assert {topic.partitions for topic in topics.values()} == {4}
    assert {topic.replication for topic in topics.values()} == {1}


def test_a_topic_that_is_not_keyed_has_the_partitions_of_the_file() -> None:
    topics = read(TEXT.replace("partitions: 3,", "partitions: 3, keyed: false,"), partitions=4)
    assert (topics["cases"].partitions, topics["payments"].partitions) == (3, 4)


def test_only_topics_without_an_account_are_not_keyed() -> None:
    topics = wanted_topics(load_settings(environment={"FRAUDSTREAM_TOPICS_PARTITIONS": "24"}), payments_partitions=24)
    assert {topic.name: topic.partitions for topic in topics if not topic.keyed} == {
        "audit": 1,
        "controls": 1,
        "replies": 16,
    }
    assert {topic.partitions for topic in topics if topic.keyed} == {24}


def test_brokers_keep_the_codec_that_the_settings_name() -> None:
    topics = wanted_topics(load_settings(), payments_partitions=24)
    assert {topic.configs["compression.type"] for topic in topics} == {"producer"}


def test_never_more_copies_are_asked_for_than_there_are() -> None:
    assert read(replication=1)["payments"].configs["min.insync.replicas"] == "1"
    assert read(replication=3)["payments"].configs["min.insync.replicas"] == "2"


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("  cases:", "  casess:", "topics.yaml: unknown topic 'casess'. Known: cases, payments; others need a 'name'."),
        ("partitions: 3", "partitions: 0", "topics.yaml: Expected `int` >= 1 - at `$.topics[...].partitions`."),
        ("retention.ms: 1000", "retention.ms: [1]", "topics.yaml: Expected `bool | int | float | str`, got "
         "`array` - at `$.topics[...].configs[...]`."),
        ("partitions: 3", "partitons: 3", "topics.yaml: Object contains unknown field `partitons` - at "
         "`$.topics[...]`."),
        ("{group}", "{grp}", "topics.yaml: topic 'changelog': unknown '{grp}' in its name. Known: {group}, {version}, "
         "{payments}, {stage}, {later_stage}."),
    ],
)  # fmt: skip
def test_a_wrong_file_is_told_where_and_what(old: str, new: str, sentence: str) -> None:
    assert said_of(TEXT.replace(old, new)) == sentence


def test_what_is_no_yaml_is_told() -> None:
    assert said_of("a: [").startswith("topics.yaml:1: not valid YAML:")


def test_the_shipped_file_names_the_topics_that_a_worker_uses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    topics = {topic.name: topic for topic in wanted_topics(load_settings(), payments_partitions=1)}
    worker = StreamSettings(brokers=Brokers("127.0.0.1:9092"), checkpoint_mode="transaction", stage=ALL_ENTITIES)
    assert topics.keys() == {
        worker.payments_topic,
        worker.labels_topic,
        worker.decisions_topic,
        worker.alerts_topic,
        worker.dead_letters_topic,
        worker.controls_topic,
        worker.changelog_topic,
        "cases",
        "case-actions",
        "case-answers",
        "notices",
        "notice-answers",
        "audit",
        "replies",
    }
    changelog = topics[worker.changelog_topic]
    assert changelog.configs["cleanup.policy"] == "compact"
    assert changelog.partitions == topics[worker.payments_topic].partitions
    assert topics[worker.payments_topic].configs["message.timestamp.type"] == "LogAppendTime"


def test_each_state_version_has_a_changelog_of_its_own() -> None:
    settings = load_settings(None, {"FRAUDSTREAM_WORKER_STATE_VERSION": "2", "FRAUDSTREAM_TOPICS_PARTITIONS": "12"})
    worker = stream_settings(settings)
    assert worker.changelog_topic == "fraudstream-account-v2-state-changelog"
    assert worker.changelog_topic in {topic.name for topic in wanted_topics(settings)}


def test_topics_renamed_in_the_settings_are_created_under_their_names() -> None:
    settings = load_settings(None, {"FRAUDSTREAM_TOPICS_DEAD_LETTERS": "pay-dlq", "FRAUDSTREAM_WORKER_GROUP": "night"})
    names = {topic.name for topic in wanted_topics(settings)}
    assert "pay-dlq" in names
    assert "dead-letters" not in names
    assert "night-all-state-changelog" in names


def test_a_repeated_key_is_refused_with_both_lines() -> None:
    text = "version: 1\ndefaults: {partitions: 1, replication: 1}\ntopics: {}\nversion: 2\n"
    assert said_of(text) == "topics.yaml:4: the file has the key 'version' twice: here and on line 1. Remove one."
