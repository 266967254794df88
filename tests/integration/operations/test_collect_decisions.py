"""The decisions of a cluster are measured as those of a replay are: each payment once, with its newest label."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import msgspec
import pyarrow.parquet as pq
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import NewTopic

from fraudstream.cli.main import main
from fraudstream.contracts import Decision, Label, Payment
from fraudstream.contracts.decision import UnjudgedDecision
from fraudstream.contracts.fields import Outcome
from fraudstream.contracts.headers import CONTROL_HEADER
from fraudstream.kafka import Brokers
from fraudstream.operations.collect_decisions import Collected, NoDecisionsError, collect_decisions
from fraudstream.operations.errors import MissingTopicError
from fraudstream.operations.event_publisher import EventPublisher
from tests.brokers import SelectedBroker
from tests.integration.topic_admin import admin_of

BEGIN_MS = 1_735_689_600_000


def payment(number: int, amount: str = "12.50", currency: str = "EUR") -> Payment:
    return Payment(
        event_id=f"e{number}",
        occurred_at=BEGIN_MS + number,
        account_id=f"a{number % 3}",
        amount=amount,
        currency=currency,
        direction="debit",
    )


def label(number: int, name: str, at_ms: int) -> Label:
    fraud = name == "fraud"
    return Label(
        f"e{number}",
        f"a{number % 3}",
        "fraud" if fraud else "genuine",
        BEGIN_MS + at_ms,
        source="chargeback" if fraud else None,
        confidence=0.9 if fraud else None,
    )


def decision(number: int, score: float, repeat: bool = False) -> Decision:
    outcome: Outcome = "review" if score > 0.5 else "allow"
    rules = ("x/one",) if score > 0.5 else ()
    return Decision(
        f"e{number}", f"a{number % 3}", BEGIN_MS + number, outcome, score, "cafe", rules, repeat=repeat
    )  # fmt: skip


class Topics:
    def __init__(self, brokers: Brokers, log: str, decisions: str) -> None:
        self.brokers, self.log, self.decisions = brokers, log, decisions

    async def collect(self, out: Path) -> Collected:
        return await collect_decisions(
            self.brokers, out, log=self.log, decisions=self.decisions, committed_only=False
        )  # fmt: skip

    async def decide(self, *decisions: Decision | UnjudgedDecision) -> None:
        producer = AIOKafkaProducer(**self.brokers.options())
        await producer.start()
        try:
            for each in decisions:
                await producer.send(self.decisions, msgspec.json.encode(each), key=b"k")
        finally:
            await producer.stop()


@pytest.fixture
async def topics(selected_broker: SelectedBroker, unique_name: Callable[[str], str]) -> Topics:
    brokers = Brokers(selected_broker.servers)
    found = Topics(brokers, unique_name("payments"), unique_name("decisions"))
    async with admin_of(brokers) as admin:
        await admin.create_topics([NewTopic(found.log, 2, 1), NewTopic(found.decisions, 2, 1)])
    return found


async def test_each_payment_counts_once_with_its_newest_label(topics: Topics, tmp_path: Path) -> None:
    events: list[Payment | Label] = [payment(1), payment(2, "300", "JPY"), payment(3), label(1, "genuine", 50)]
    events += [label(1, "fraud", 90), label(1, "genuine", 70), label(3, "genuine", 60), payment(1, "99.00")]
    async with EventPublisher(topics.brokers, topics.log) as publisher:
        await publisher.publish(events)
    producer = AIOKafkaProducer(**topics.brokers.options())
    await producer.start()
    await producer.send_and_wait(topics.log, b"{}", headers=[CONTROL_HEADER], partition=0)
    await producer.send_and_wait(topics.log, b"no payment", partition=0)
    await producer.stop()
    await topics.decide(decision(3, 0.1), decision(1, 0.9), decision(1, 0.9), decision(1, 0.9, repeat=True))
    await topics.decide(UnjudgedDecision("not_json", "Not valid JSON."), decision(2, 0.2), decision(8, 0.2))
    assert await topics.collect(tmp_path) == Collected(decisions=3, without_payment=1, labelled=2)
    rows = pq.read_table(tmp_path / "decisions.parquet").select(
        [
            "event_id",
            "amount_minor",
            "currency",
            "outcome",
            "score",
            "rules",
            "label",
            "label_source",
            "label_confidence",
        ]
    )
    assert [tuple(row.values()) for row in rows.to_pylist()] == [
        ("e1", 1250, "EUR", "review", 0.9, ["x/one"], "fraud", "chargeback", 0.9),
        ("e2", 300, "JPY", "allow", 0.2, [], None, None, None),
        ("e3", 1250, "EUR", "allow", 0.1, [], "genuine", None, None),
    ]


async def test_topics_without_a_decision_or_that_are_not_there_are_named(topics: Topics, tmp_path: Path) -> None:
    with pytest.raises(NoDecisionsError, match=topics.decisions):
        await topics.collect(tmp_path)
    topics.decisions = f"{topics.decisions}-absent"
    with pytest.raises(MissingTopicError, match=topics.decisions):
        await topics.collect(tmp_path)
    assert not (tmp_path / "decisions.parquet").exists()


async def filled(topics: Topics) -> None:
    async with EventPublisher(topics.brokers, topics.log) as publisher:
        await publisher.publish([payment(number) for number in range(60)])
        await publisher.publish(
            [label(number, "fraud" if number % 10 == 0 else "genuine", 100) for number in range(60)]
        )
    await topics.decide(*(decision(number, 0.9 if number % 10 == 0 else number / 200) for number in range(60)))


def test_the_command_measures_the_topics_of_its_settings(
    selected_broker: SelectedBroker,
    unique_name: Callable[[str], str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    async def prepare() -> Topics:
        brokers = Brokers(selected_broker.servers)
        topics = Topics(brokers, unique_name("payments"), unique_name("decisions"))
        async with admin_of(brokers) as admin:
            await admin.create_topics([NewTopic(topics.log, 1, 1), NewTopic(topics.decisions, 1, 1)])
        await filled(topics)
        return topics

    topics = asyncio.run(prepare())
    flags = ["--bootstrap-servers", selected_broker.servers, "--bootstrap", "0", "--json"]
    named = ["--set", f"topics.payments={topics.log}", "--set", f"topics.decisions={topics.decisions}"]
    assert main(["evaluate", "--topics", "--out", str(tmp_path), *flags, *named]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["period"]["payments"], found["period"]["frauds"], found["alerts"]["precision"]) == (60, 6, 1.0)
    assert found["scorers"][0]["auc"] == 1.0
    by_source = {each["source"]: (each["labels"], each["confidence"]) for each in found["scorers"][0]["label_sources"]}
    assert by_source == {"chargeback": (6, pytest.approx(0.9)), None: (54, None)}
    assert (tmp_path / "report.html").read_text().count(topics.decisions) >= 1


def test_files_and_topics_are_not_measured_together(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for inputs in ([], ["payments.csv", "--topics"]):
        assert main(["evaluate", *inputs, "--out", str(tmp_path / "out")]) == 1
        assert "or --topics, and only one of them" in capsys.readouterr().err
