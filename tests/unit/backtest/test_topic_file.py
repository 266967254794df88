"""JSON lines in the form of the payments topic: the same events and the same refusals as the topic."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from fraudstream.backtest.file_error import PaymentFileError
from fraudstream.backtest.told import Told
from fraudstream.backtest.topic_file import TopicFiles
from fraudstream.contracts import Label, Payment
from fraudstream.engine.column_reading import read_columns
from fraudstream.engine.columns import Rejection
from fraudstream.engine.decode import decode
from fraudstream.engine.digest import PUBLIC_KEY

SECOND = 1_772_625_600


def payment(n: int, **fields: object) -> str:
    content = {"event_id": f"e{n}", "occurred_at": (SECOND + n) * 1000, "account_id": "a", "amount": "1.50"}
    return json.dumps(content | {"currency": "EUR", "direction": "debit"} | fields)


def label(n: int, at: int) -> str:
    content = {"event_id": f"e{n}", "account_id": "a", "label": "fraud", "labelled_at": (SECOND + at) * 1000}
    return json.dumps(content)


def written(tmp_path: Path, *lines: str, name: str = "payments.jsonl") -> Path:
    path = tmp_path / name
    content = "".join(line + "\n" for line in lines).encode()
    path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    return path


def events_of(*paths: Path, sort: bool = False) -> list[Payment | Label]:
    return [event for part in TopicFiles(paths).batches(sort) for event in part.events]


def ids(events: list[Payment | Label]) -> list[str]:
    return [("" if isinstance(event, Payment) else "label of ") + event.event_id for event in events]


def test_a_label_counts_for_the_payment_of_its_account_only(tmp_path: Path) -> None:
    path = written(tmp_path, payment(1, account_id="b"), payment(1), label(1, 5))
    [part] = TopicFiles([path]).batches()
    assert part.labels.tolist() == [-1, 1, -1]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"labelled_at": None}, "labelled_at"),
        ({"amount": "1.50", "label": "chargeback"}, "label can't be 'chargeback'"),
    ],
)
def test_a_faulty_label_is_refused_as_a_label(tmp_path: Path, changes: dict[str, object], sentence: str) -> None:
    fields = {name: value for name, value in (json.loads(label(1, 5)) | changes).items() if value is not None}
    with pytest.raises(PaymentFileError, match=sentence):
        events_of(written(tmp_path, payment(1), json.dumps(fields)))


@pytest.mark.parametrize("name", ["p.jsonl", "p.ndjson", "p.jsonl.gz"])
def test_lines_are_the_events_of_the_topic(tmp_path: Path, name: str) -> None:
    lines = [payment(1), "", payment(2, occurred_at="2026-03-04T12:00:02Z", country="DE"), label(1, 3), payment(3)]
    events = events_of(written(tmp_path, *lines, name=name))
    assert ids(events) == ["e1", "e2", "label of e1", "e3"]
    expected = decode([line.encode() for line in lines if line], [False, False, True, False])
    assert events == expected


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "[]",
        payment(2, amount="1,50"),
        payment(2, amount="1.505"),
        payment(2, amount=1.5),
        payment(2, currency="XXQ"),
        payment(2, account_id="a\n"),
        payment(2, occurred_at="2026-03-04 12:00"),
        payment(2, occurred_at=-1),
        json.dumps({"event_id": "e1", "account_id": "a", "label": "maybe", "labelled_at": 1}),
        '{"event_id":"e2","account_id":"' + "a" * 2_000_000 + '"}',
    ],
)
def test_a_line_that_the_topic_refuses_is_refused_in_the_same_words(tmp_path: Path, line: str) -> None:
    path = written(tmp_path, payment(1), "", line)
    with pytest.raises(PaymentFileError) as caught:
        events_of(path)
    assert str(caught.value).startswith(f"{path}, line 3: ")
    (event,) = decode([line.encode()], ["labelled_at" in line])
    if isinstance(event, Payment):
        _, _, (event,) = read_columns([event], None, 0, {}, PUBLIC_KEY)
    assert isinstance(event, Rejection)
    assert caught.value.sentence == event.sentence


def test_payments_out_of_order_are_refused_across_files_and_sorted_on_request(tmp_path: Path) -> None:
    first = written(tmp_path, payment(2), payment(4), name="1.jsonl")
    second = written(tmp_path, payment(3), payment(5), name="2.jsonl")
    with pytest.raises(PaymentFileError, match=r"2\.jsonl, line 1: is earlier than a payment before it.*--sort"):
        events_of(first, second)
    assert ids(events_of(first, second, sort=True)) == ["e2", "e3", "e4", "e5"]


def test_labels_of_a_file_of_their_own_take_effect_at_their_time_when_sorted(tmp_path: Path) -> None:
    payments = written(tmp_path, payment(1), payment(3), payment(5))
    labels = written(tmp_path, label(1, 4), label(3, 9), name="labels.jsonl")
    assert ids(events_of(payments, labels, sort=True)) == ["e1", "e3", "label of e1", "e5", "label of e3"]


def test_a_label_keeps_its_place_between_payments_whatever_its_time(tmp_path: Path) -> None:
    path = written(tmp_path, payment(1), label(1, 99), payment(2))
    parts = list(TopicFiles([path]).batches())
    assert ids([event for part in parts for event in part.events]) == ["e1", "label of e1", "e2"]
    assert [int(at) - SECOND * 1000 for part in parts for at in part.at_ms] == [1000, 1000, 2000]


def test_the_newest_label_of_a_payment_counts_in_the_evaluation(tmp_path: Path) -> None:
    genuine = label(1, 7).replace("fraud", "genuine")
    path = written(tmp_path, payment(1), payment(2), payment(3), genuine, label(1, 5), label(2, 6))
    (part,) = TopicFiles([path]).batches()
    assert part.labels.tolist() == [0, 1, -1, -1, -1, -1]


@pytest.mark.parametrize("padding", [-2, -1, 0, 1, 2])
def test_lines_are_whole_wherever_a_block_of_the_file_ends(tmp_path: Path, padding: int) -> None:
    block = 4 << 20
    first = payment(1, merchant_id="x")
    filler = " " * (block - len(first) - 1 + padding - len(payment(2)) // 2)
    path = written(tmp_path, first + filler, payment(2), payment(3))
    assert ids(events_of(path)) == ["e1", "e2", "e3"]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "holds no payments."),
        (b"\n\n", "holds no payments."),
        (label(1, 1).encode(), "holds no payments."),
        (payment(1).encode() + b"\n\xff", ", line 2: byte "),
        (gzip.compress(payment(1).encode() * 99)[:-9], ": can't be read: Truncated compressed stream"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_in_a_sentence(tmp_path: Path, content: bytes, sentence: str) -> None:
    path = tmp_path / "p.jsonl"
    path.write_bytes(content)
    with pytest.raises(PaymentFileError) as caught:
        events_of(path)
    assert sentence in str(caught.value)


def test_the_newest_label_says_who_gave_it_and_how_sure_they_were(tmp_path: Path) -> None:
    lines = [
        '{"event_id":"e1","occurred_at":1772625600000,"account_id":"a","amount":"1","currency":"EUR","direction":"debit"}',
        '{"event_id":"e1","account_id":"a","label":"fraud","labelled_at":1772625700000,"source":"rule"}',
        '{"event_id":"e1","account_id":"a","label":"genuine","labelled_at":1772625800000,"source":"bank","confidence":0.8}',
    ]
    path = tmp_path / "p.jsonl"
    path.write_text("\n".join(lines) + "\n")
    files = TopicFiles([path])
    assert [batch.labels.tolist() for batch in files.batches()] == [[0, -1, -1]]
    assert files.label_sources == {("a", "e1"): Told("bank", 0.8)}
