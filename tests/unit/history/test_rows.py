"""Records to rows: every field, and what is left out."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from fraudstream.contracts.headers import REPARTITIONED_HEADER
from fraudstream.contracts.record_signature import RecordSignatures, SigningSecrets
from fraudstream.history.rows import decision_rows, log_rows
from tests.unit.history.log_records import DAY, T0, LogRecord, decision, label, payment


def test_a_row_has_every_field_of_its_payment() -> None:
    fields: dict[str, Any] = {
        "kind": "transfer",
        "channel": "app",
        "partner_id": "pa-1",
        "merchant_id": "m-1",
        "mcc": "5411",
        "terminal_id": "t-1",
        "counterparty_id": "cp-1",
        "counterparty_bank": "DEUTDEFF",
        "device_id": "dev-1",
        "ip": "10.0.0.1",
        "country": "DE",
        "lat": 52.5,
        "lon": 13.4,
        "card_present": False,
        "relates_to": "p-0",
    }
    record = payment(
        7, amount="0.5", balance_before="-12.50", balance_after="-13", attributes={"vip": True, "tier": 2}, **fields
    )
    (row,) = log_rows([record], DAY).payments.to_pylist()
    assert row == {
        **fields,
        "event_id": "p-7",
        "occurred_at_ms": T0,
        "account_id": "acct-1",
        "amount_minor": 50,
        "currency": "EUR",
        "direction": "debit",
        "balance_before_minor": -1250,
        "balance_after_minor": -1300,
        "attributes": '{"vip":true,"tier":2}',
        "published_at_ms": T0 + 5,
        "source_partition": 0,
        "source_offset": 7,
    }


def test_absent_fields_are_null() -> None:
    (row,) = log_rows([payment(0)], DAY).payments.to_pylist()
    assert row["balance_before_minor"] is None
    assert row["device_id"] is None
    assert row["attributes"] is None


def test_amounts_are_minor_units_of_their_currency() -> None:
    rows = log_rows([payment(0, amount="12", currency="JPY"), payment(1, amount="1.005", currency="KWD")], DAY)
    assert rows.payments["amount_minor"].to_pylist() == [12, 1005]


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (LogRecord(0, 1, T0, b"acct-1", b"{"), "not_json"),
        (LogRecord(0, 1, T0, b"acct-1", None), "not_json"),
        (payment(1, amount="1.005"), "amount"),
        (payment(1, currency="XXX"), "currency"),
        (payment(1, country="de"), "invalid"),
        (payment(1)._replace(key=b"acct-2"), "key"),
        (payment(1)._replace(key=None), "key"),
        (payment(1)._replace(timestamp=T0 - DAY - 1), "too_far_ahead"),
        (label(1, "p-0")._replace(timestamp=T0 - DAY), "too_far_ahead"),
        (LogRecord(0, 1, T0, b"acct-1", b"{}", (("type", b"control"),)), "control"),
    ],
)
def test_what_a_worker_would_refuse_is_left_out_and_counted(record: LogRecord, reason: str) -> None:
    rows = log_rows([payment(0), record, payment(2)], DAY)
    assert rows.payments["source_offset"].to_pylist() == [0, 2]
    assert len(rows.labels) == 0
    assert rows.skipped == {reason: 1}


def test_a_payment_that_says_it_is_a_copy_is_kept() -> None:
    """A publisher may say so: the payment would be missing."""
    said = payment(1)._replace(headers=((REPARTITIONED_HEADER, b"2:3"),))
    rows = log_rows([payment(0), said], DAY)
    assert (rows.payments["source_offset"].to_pylist(), rows.skipped) == ([0, 1], {})


def test_a_label_has_its_times_and_source() -> None:
    rows = log_rows([label(3, "p-1", payment_occurred_at=T0, source="chargeback", confidence=0.5)], DAY)
    (row,) = rows.labels.to_pylist()
    assert (row["event_id"], row["label"], row["labelled_at_ms"]) == ("p-1", "fraud", T0 + DAY)
    assert (row["payment_occurred_at_ms"], row["source"], row["confidence"]) == (T0, "chargeback", 0.5)
    assert len(rows.payments) == 0


def test_a_decision_has_its_rules_and_scores() -> None:
    rows, skipped = decision_rows(
        [decision(4, "p-1", outcome="review", rules=["a/b"], alert_id="f" * 32, shadow_scores={"m": 0.25})]
    )
    (row,) = rows.to_pylist()
    assert (row["outcome"], row["rules"], row["alert_id"]) == ("review", ["a/b"], "f" * 32)
    assert row["shadow_scores"] == '{"m":0.25}'
    assert (row["repeat"], row["unmatched"], row["source_offset"]) == (False, [], 4)
    assert not skipped


def test_decisions_that_judge_nothing_are_left_out() -> None:
    unjudged = msgspec.json.encode({"outcome": "unjudged", "reason": "amount", "sentence": "amount 'x' is not one."})
    records = [LogRecord(0, 0, T0, b"k", unjudged), LogRecord(0, 1, T0, b"k", b"[]"), decision(2, "p-1")]
    rows, skipped = decision_rows(records)
    assert rows["source_offset"].to_pylist() == [2]
    assert skipped == {"unjudged": 1, "invalid": 1}


def test_a_label_without_the_signature_that_the_workers_require_is_left_out() -> None:
    secrets = SigningSecrets("label", {"l": b"l" * 32})
    forged, genuine = label(1, "p-1"), label(2, "p-2")
    genuine = genuine._replace(headers=(*genuine.headers, secrets.header(genuine.value or b"")))
    rows = log_rows([forged, genuine], DAY, RecordSignatures(labels=secrets))
    assert [row["event_id"] for row in rows.labels.to_pylist()] == ["p-2"]
    assert rows.skipped == {"signature": 1}
