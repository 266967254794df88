"""`score tune` on the topics of a deployment: what its partitions have learned, and what its log teaches."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from fraudstream.cli.main import main
from fraudstream.contracts.control import ListEntry
from fraudstream.contracts.headers import CONTROL_HEADER, LABEL_HEADER
from fraudstream.engine.learned_score.calibration import CalibrationContent, read_calibration
from fraudstream.kafka.topic_reader import TopicReader
from fraudstream.operations.payments_in_order import PublishedEvents, payments_in_order
from fraudstream.operations.state_export import export_state
from fraudstream.stream.checkpoints.last_checkpoint import last_checkpoints
from tests.brokers import SelectedBroker
from tests.integration.stream.cluster import StreamCluster
from tests.integration.stream.payments import fraud_label, payment
from tests.integration.stream.process import WAIT_S
from tests.integration.stream.rules import RULES, write_rules

PAYMENTS, ACCOUNTS, FRAUDS = 200, 20, range(0, 200, 4)
SCORE = """
kind: evidence
threshold: 0.9
parts:
  - {part: busy, value: account.payments_30d, bins: {from: 0, step: 1, count: 50}}
"""


@pytest.fixture
async def decided(selected_broker: SelectedBroker, unique_name: Callable[[str], str], tmp_path: Path) -> StreamCluster:
    """A deployment of four partitions, stopped, that has decided payments and learned from their labels."""
    rules = RULES | {"score.yaml": SCORE}
    cluster = StreamCluster(selected_broker.servers, unique_name, tmp_path / "rules", selected_broker.is_kafka, rules)
    await cluster.create_topics()
    async with cluster.worker():
        await cluster.publish(range(PAYMENTS), ACCOUNTS)
        await cluster.decisions(PAYMENTS)
        labels = [(f"a{n % ACCOUNTS}".encode(), fraud_label(n, f"a{n % ACCOUNTS}")) for n in FRAUDS]
        await cluster.publish_records(labels, headers=[LABEL_HEADER])
        end = sum((await cluster.ends(cluster.settings.payments_topic)).values())
        await checkpointed(cluster, end)
    return cluster


async def checkpointed(cluster: StreamCluster, end: int) -> None:
    """Wait until the checkpoints of all partitions reach to so many records."""
    async with asyncio.timeout(WAIT_S):
        while True:
            found = (await last_checkpoints(cluster.settings)).values()
            if sum(checkpoint.next_offset for checkpoint in found if checkpoint is not None) >= end:
                return
            await asyncio.sleep(0.05)


def calibration_in(artefact: Path, digest: str) -> CalibrationContent:
    """The content of an artefact that is named by its digest and has a report beside it."""
    assert "| part | weight |" in artefact.with_suffix(".md").read_text()
    calibration = read_calibration(artefact.read_bytes())
    assert calibration.digest == digest == artefact.name
    return calibration.content


class Tune:
    """`score tune` with these settings, rules and flags."""

    def __init__(self, cluster: StreamCluster, out: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self._cluster, self._out, self._capsys = cluster, out, capsys

    async def content(self, *flags: str) -> CalibrationContent:
        code, shown, error = await self._run("--json", "--alerts-per-day", "20", *flags)
        assert code == 0, error
        found = msgspec.json.decode(shown)
        return calibration_in(Path(found["file"]), found["digest"])

    async def refusal(self, *flags: str) -> str:
        code, _, error = await self._run(*flags)
        assert code == 1, error
        return error

    async def _run(self, *flags: str) -> tuple[int, str, str]:
        command = ["score", "tune", "--out", str(self._out), *flags, *self._cluster.flags()]
        code = await asyncio.to_thread(main, command)
        return code, *self._capsys.readouterr()


async def test_state_export_and_log_come_to_the_same_counts(
    decided: StreamCluster, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tune = Tune(decided, tmp_path / "tuned", capsys)
    merged = await tune.content("--state")
    await export_state(decided.settings, tmp_path / "export")
    assert await tune.content("--state-export", str(tmp_path / "export")) == merged
    of_log = await tune.content("--topics")
    assert merged.parts[0].values == of_log.parts[0].values
    assert sum(merged.parts[0].values) == merged.payments == of_log.payments == PAYMENTS
    assert merged.totals.fraud == of_log.totals.fraud == sum(merged.parts[0].fraud) == len(FRAUDS)
    assert (merged.thresholds[0].budget, merged.thresholds[0].amount) == ("alerts_per_day", 20)
    assert sum(merged.reference.counts) == PAYMENTS


async def test_what_was_learned_by_another_score_is_refused(
    decided: StreamCluster, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tune = Tune(decided, tmp_path / "tuned", capsys)
    other = write_rules(tmp_path / "other", RULES | {"score.yaml": SCORE + "pull: 7\n"})
    error = await tune.refusal("--state", "--rules", str(other))
    assert "was learned under other features or another score" in error
    frozen = write_rules(tmp_path / "frozen", RULES | {"score.yaml": SCORE + "learning: off\n"})
    assert "'learning: off': its partitions learn nothing" in await tune.refusal("--state", "--rules", str(frozen))


async def test_one_source_is_given(
    selected_broker: SelectedBroker,
    unique_name: Callable[[str], str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    tune = Tune(StreamCluster(selected_broker.servers, unique_name, tmp_path), tmp_path, capsys)
    for flags in ((), ("--topics", "--state"), ("p.csv", "--topics"), ("--state", "--state-export", "x")):
        assert "and only one of them" in await tune.refusal(*flags)
    assert "--decisions is for --state" in await tune.refusal("--topics", "--decisions", "x")


async def test_list_entries_count_from_their_record_on(
    selected_broker: SelectedBroker,
    unique_name: Callable[[str], str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    cluster = StreamCluster(selected_broker.servers, unique_name, tmp_path / "unused", selected_broker.is_kafka)
    await cluster.create_topics()
    entry = msgspec.json.encode(ListEntry("watched", "a1", "ann", 0))
    for n in range(6):
        await cluster.publish_records([(b"a1", payment(n, "a1"))], timestamp_ms=1_000 + n)
        if n == 3:
            await cluster.publish_records([(b"a1", entry)], headers=[CONTROL_HEADER], timestamp_ms=1_003)
    lists = "lists:\n  watched: {of: account_id, kind: watch, description: Accounts seen with frauds}\n"
    score = "kind: evidence\nthreshold: 0.9\nparts:\n  - {part: watched, value: account_id in lists.watched}\n"
    rules = write_rules(tmp_path / "rules", RULES | {"lists.yaml": lists, "score.yaml": score})
    code = await asyncio.to_thread(
        main, ["score", "tune", "--json", "--topics", "--out", str(tmp_path), *cluster.flags(), "--rules", str(rules)]
    )
    shown, error = capsys.readouterr()
    assert code == 0, error
    found = msgspec.json.decode(shown)
    [part] = calibration_in(Path(found["file"]), found["digest"]).parts
    assert [n for n in part.values if n] == [4, 2]


async def test_the_log_is_read_in_the_order_of_publication(
    selected_broker: SelectedBroker, unique_name: Callable[[str], str], tmp_path: Path
) -> None:
    cluster = StreamCluster(selected_broker.servers, unique_name, tmp_path, selected_broker.is_kafka)
    await cluster.create_topics()
    for n in range(30):
        await cluster.publish_records([(f"a{n % 5}".encode(), payment(n, f"a{n % 5}"))], timestamp_ms=1_000 + n // 2)
    await cluster.publish_records([(b"a3", fraud_label(3, "a3"))], headers=[LABEL_HEADER], timestamp_ms=1_005)
    topic, found = cluster.settings.payments_topic, []
    async with payments_in_order(
        lambda: TopicReader(cluster.brokers, committed_only=False), topic, cluster.broker
    ) as parts:
        async for part in parts:
            assert isinstance(part, PublishedEvents)
            found += list(zip(part.events, part.published_at_ms.tolist(), part.labels.tolist(), strict=True))
    assert [at for _, at, _ in found] == sorted(at for _, at, _ in found)
    assert len(found) == 31
    assert [event.event_id for event, _, label in found if label == 1] == ["e3"]
