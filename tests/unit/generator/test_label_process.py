"""Labels come days later, some never, some wrong at first; they change no payment."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
import pyarrow.parquet as pq
import pytest

from fraudstream.contracts import Label, Payment
from fraudstream.generator.batch import GeneratedBatch
from fraudstream.generator.files import labels_path, write_jsonl, write_parquet
from fraudstream.generator.label_records import events_in_order
from fraudstream.generator.parameters import Labels, Parameters
from fraudstream.generator.plan import GeneratorPlan
from fraudstream.generator.stream import stream

START_MS = 1_735_689_600_000
DAY_MS = 86_400_000
PLAN = GeneratorPlan(START_MS, seed=5, accounts=1_000, fraud_share=0.05)
N = 20_000


def ms(moment: object) -> int:
    """A time of generated events, which is a number."""
    assert isinstance(moment, int)
    return moment


class Written(NamedTuple):
    """What the files have. `truth`: typology of each payment, None if genuine."""

    payments: list[Payment]
    labels: list[Label]
    truth: dict[str, str | None]


def written(directory: Path, plan: GeneratorPlan = PLAN) -> Written:
    path, truth = directory / "p.jsonl", dict[str, str | None]()

    def noted() -> Iterator[GeneratedBatch]:
        for batch in stream(plan, N):
            truth.update(zip(batch.columns["event_id"].tolist(), batch.typologies, strict=True))
            yield batch

    assert sum(write_jsonl(noted(), path)) == N
    payments = [msgspec.json.decode(line, type=Payment) for line in path.read_bytes().splitlines()]
    labels = [msgspec.json.decode(line, type=Label) for line in labels_path(path).read_bytes().splitlines()]
    return Written(payments, labels, truth)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Written:
    return written(tmp_path_factory.mktemp("labels"))


def test_labels_come_in_order_of_their_time_after_their_payments(files: Written) -> None:
    payments, labels, _ = files
    times = [ms(label.labelled_at) for label in labels]
    assert times == sorted(times)
    by_id = {payment.event_id: payment for payment in payments}
    for label in labels:
        payment = by_id[label.event_id]
        assert ms(label.labelled_at) > ms(payment.occurred_at)
        assert (label.payment_occurred_at, label.account_id) == (payment.occurred_at, payment.account_id)
        assert (label.terminal_id, label.counterparty_id) == (payment.terminal_id, payment.counterparty_id)
        assert (label.merchant_id, label.device_id, label.partner_id, label.channel) == (
            payment.merchant_id,
            payment.device_id,
            payment.partner_id,
            payment.channel,
        )


def test_most_frauds_are_reported_late_some_never_and_wrong_labels_are_corrected(files: Written) -> None:
    payments, labels, truth = files
    told: dict[str, list[str]] = defaultdict(list)
    for label in labels:
        told[label.event_id].append(label.label)
    assert max(map(len, told.values())) == 2
    assert all(len(set(names)) == len(names) for names in told.values())  # a correction says the other thing
    frauds = [payment.event_id for payment in payments if truth[payment.event_id]]
    genuine = [payment.event_id for payment in payments if not truth[payment.event_id]]
    first = np.mean([told[name][0] == "fraud" for name in frauds])
    in_the_end = np.mean([told[name][-1] == "fraud" for name in frauds])
    assert 0.3 < first < 0.6 < in_the_end < 0.95
    assert all(told[name][-1] == "genuine" for name in genuine)
    false_reports = [name for name in genuine if told[name][0] == "fraud"]
    assert 0 < len(false_reports) < 0.002 * len(genuine)


def test_the_time_to_a_report_is_that_of_the_typology(files: Written) -> None:
    _, labels, truth = files
    days: dict[str, list[float]] = defaultdict(list)
    for label in labels:
        if label.label == "fraud" and (name := truth[label.event_id]):
            days[name].append((ms(label.labelled_at) - ms(label.payment_occurred_at)) / DAY_MS)
    assert np.median(days["account_takeover"]) == pytest.approx(2, rel=0.35)
    assert np.median(days["undelivered_goods"]) == pytest.approx(14, rel=0.35)


def test_labels_change_no_payment() -> None:
    quiet = Parameters(labels=Labels(genuine_share=0, days_spread=0, false_report_share=0.5))
    other = msgspec.structs.replace(PLAN, parameters=quiet)
    for before, after in zip(stream(PLAN, 3_000), stream(other, 3_000), strict=True):
        assert before.payments == after.payments


def test_without_genuine_labels_only_reports_are_published(tmp_path: Path) -> None:
    parameters = Parameters(labels=Labels(genuine_share=0, false_report_share=0, cleared_first_share=0))
    _, labels, truth = written(tmp_path, msgspec.structs.replace(PLAN, parameters=parameters))
    assert labels
    assert all(label.label == "fraud" and truth[label.event_id] for label in labels)


def test_the_sequence_of_a_topic_has_each_label_at_its_time(files: Written) -> None:
    _, labels, _ = files
    events = [event for piece in events_in_order(stream(PLAN, N), 0) for event in piece.events]
    times = [ms(event.occurred_at if isinstance(event, Payment) else event.labelled_at) for event in events]
    assert times == sorted(times)
    last_ms = max(ms(event.occurred_at) for event in events if isinstance(event, Payment))
    known = [label for label in labels if ms(label.labelled_at) <= last_ms]
    assert [event for event in events if isinstance(event, Label)] == known


def test_labels_known_after_the_last_payment_follow_up_to_the_present() -> None:
    far = START_MS + 10_000 * DAY_MS
    events = [event for piece in events_in_order(stream(PLAN, 2_000), far) for event in piece.events]
    assert len({event.event_id for event in events if isinstance(event, Label)}) == 2_000


def test_parquet_has_the_truth_and_what_became_known(tmp_path: Path) -> None:
    path = tmp_path / "p.parquet"
    assert sum(write_parquet(stream(PLAN, N), path)) == N
    table = pq.read_table(path)
    truth, first = table.column("label").to_pylist(), table.column("reported_label").to_pylist()
    corrected = table.column("corrected_at").to_pylist()
    assert {None, *truth} == {None, "fraud", "genuine"}
    assert all(
        bool(name) == (label == "fraud") for name, label in zip(table["typology"].to_pylist(), truth, strict=True)
    )
    wrong = [at for at in range(N) if first[at] not in (None, truth[at])]
    assert sum(corrected[at] is not None for at in wrong) > 0.5 * len(wrong) > 0
    assert not any(corrected[at] for at in range(N) if first[at] == truth[at])
    occurred, reported = table.column("occurred_at").to_pylist(), table.column("reported_at").to_pylist()
    assert all(later > earlier for earlier, later in zip(occurred, reported, strict=True))


def test_with_a_delay_every_payment_is_truly_labelled_after_it() -> None:
    for batch in stream(PLAN, 5_000, label_delay_ms=1_000):
        assert (batch.reports.label == batch.labels).all()
        assert (batch.reports.at_ms == batch.occurred_at_ms + 1_000).all()
