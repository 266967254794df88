"""Payments as columns, and those that can't be judged: each is refused with a code, a sentence and a path, alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec
import numpy as np
import pytest

from fraudstream.contracts.payment import Payment
from fraudstream.engine.column_reading import read_columns
from fraudstream.engine.columns import OCCURRED_AT_END_MS, Columns, Rejection, time_ms
from fraudstream.engine.digest import PUBLIC_KEY, digest_text
from fraudstream.engine.expression import Type

GOOD = Payment("e-1", 1_750_000_000_000, "acc-1", "12.50", "EUR", "debit")
ATTRIBUTES = {"risk": Type.NUMBER, "trusted": Type.BOOL, "segment": Type.TEXT}
DAY_MS = 86_400_000


def with_(**changes: Any) -> Payment:
    return msgspec.structs.replace(GOOD, **changes)


def read(*payments: Payment, published_at_ms: int | None = None) -> tuple[Columns, list[int], list[Rejection]]:
    published = None if published_at_ms is None else np.full(len(payments), published_at_ms, np.int64)
    columns, kept, rejected = read_columns(payments, published, DAY_MS, ATTRIBUTES, PUBLIC_KEY)
    return columns, kept.tolist(), rejected


YEARS = "occurred_at lies outside the years 1970 to 2199."


@pytest.mark.parametrize(
    ("changes", "reason", "sentence", "path"),
    [
        ({"occurred_at": -1}, "occurred_at", YEARS, "$.occurred_at"),
        ({"occurred_at": OCCURRED_AT_END_MS}, "occurred_at", YEARS, "$.occurred_at"),
        ({"occurred_at": 10**30}, "occurred_at", YEARS, "$.occurred_at"),
        ({"occurred_at": -(10**30)}, "occurred_at", YEARS, "$.occurred_at"),
        (
            {"occurred_at": datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14)))},
            "occurred_at",
            YEARS,
            "$.occurred_at",
        ),
        (
            {"occurred_at": datetime(9999, 12, 31, 23, tzinfo=timezone(-timedelta(hours=14)))},
            "occurred_at",
            YEARS,
            "$.occurred_at",
        ),
        (
            {"occurred_at": datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)},
            "occurred_at",
            YEARS,
            "$.occurred_at",
        ),
        ({"currency": "XXX"}, "currency", "'XXX' is not a currency of ISO 4217.", "$.currency"),
        ({"currency": "eur"}, "currency", "'eur' is not a currency of ISO 4217.", "$.currency"),
        ({"currency": "ÉÉÉ"}, "currency", "'ÉÉÉ' is not a currency of ISO 4217.", "$.currency"),
        (
            {"amount": "1e3"},
            "amount",
            "amount '1e3' is not a decimal amount: digits, and at most one point between digits.",
            "$.amount",
        ),
        (
            {"amount": "1.005"},
            "amount",
            "amount '1.005' is too precise: more decimals than the currency has.",
            "$.amount",
        ),
        ({"amount": "9" * 20}, "amount", f"amount '{'9' * 20}' is larger than {10**15} minor units.", "$.amount"),
        (
            {"amount": "-1"},
            "amount",
            "amount '-1' is negative: an amount has no sign, `direction` says whether it is a debit or a credit.",
            "$.amount",
        ),
        (
            {"balance_before": "x"},
            "amount",
            "balance_before 'x' is not a decimal amount: digits, and at most one point between digits.",
            "$.balance_before",
        ),
        (
            {"balance_after": "0.001"},
            "amount",
            "balance_after '0.001' is too precise: more decimals than the currency has.",
            "$.balance_after",
        ),
        (
            {"attributes": {"risk": "high"}},
            "invalid",
            "attribute 'risk' must be a plain number, as the catalogue declares it.",
            "$.attributes.risk",
        ),
        (
            {"attributes": {"risk": True}},
            "invalid",
            "attribute 'risk' must be a plain number, as the catalogue declares it.",
            "$.attributes.risk",
        ),
        (
            {"attributes": {"risk": 10**400}},
            "invalid",
            "attribute 'risk' must be a plain number, as the catalogue declares it.",
            "$.attributes.risk",
        ),
        (
            {"attributes": {"trusted": 1}},
            "invalid",
            "attribute 'trusted' must be true or false, as the catalogue declares it.",
            "$.attributes.trusted",
        ),
        (
            {"attributes": {"segment": 1}},
            "invalid",
            "attribute 'segment' must be text, as the catalogue declares it.",
            "$.attributes.segment",
        ),
    ],
)
def test_a_payment_that_cannot_be_judged_is_refused_alone(
    changes: dict[str, Any], reason: str, sentence: str, path: str
) -> None:
    before, after = with_(event_id="before", balance_after="-3"), with_(event_id="after", amount="7")
    columns, kept, rejected = read(before, with_(**changes), after)
    assert rejected == [Rejection(1, reason, sentence, path)]  # type: ignore[arg-type]
    assert kept == [0, 2]
    assert [payment.event_id for payment in columns.payments] == ["before", "after"]
    assert columns.amount_minor.tolist() == [1250, 700]
    assert columns.column("balance_after").tolist()[0] == -300
    assert columns.event.tolist() == [digest_text("before", PUBLIC_KEY), digest_text("after", PUBLIC_KEY)]


def test_the_first_fault_of_a_payment_is_reported() -> None:
    assert [r.reason for r in read(with_(occurred_at=-1, currency="XXX", amount="x"))[2]] == ["occurred_at"]


def test_the_first_and_the_last_moment_are_taken() -> None:
    columns, kept, _ = read(with_(occurred_at=0), with_(occurred_at=OCCURRED_AT_END_MS - 1))
    assert columns.occurred_at_ms.tolist() == [0, OCCURRED_AT_END_MS - 1]
    assert kept == [0, 1]


def test_moments_in_words_and_in_numbers_are_one_time() -> None:
    moment = datetime(2026, 1, 1, 12, 0, 0, 1_999, tzinfo=timezone(timedelta(hours=2)))
    columns, _, _ = read(with_(occurred_at=moment), with_(occurred_at=1_767_261_600_001))
    assert columns.occurred_at_ms.tolist() == [1_767_261_600_001] * 2
    assert time_ms(moment) == 1_767_261_600_001  # a part of a millisecond is dropped


@pytest.mark.parametrize(("ahead_ms", "refused"), [(DAY_MS, False), (DAY_MS + 1, True)])
def test_too_far_ahead_of_publication_is_refused(ahead_ms: int, refused: bool) -> None:
    published_at_ms = 1_750_000_000_000
    _, _, rejected = read(with_(occurred_at=published_at_ms + ahead_ms), published_at_ms=published_at_ms)
    assert bool(rejected) is refused


def test_too_far_ahead_says_how_far_and_what_is_allowed() -> None:
    published_at_ms = 1_750_000_000_000
    late = with_(occurred_at=published_at_ms + 3 * DAY_MS)
    assert read(GOOD, late, published_at_ms=published_at_ms)[2] == [
        Rejection(
            1,
            "too_far_ahead",
            "occurred_at lies 3d after the payment was published; 1d is allowed. Check the clock.",
            "$.occurred_at",
        )
    ]


def test_without_a_time_of_publication_nothing_is_too_far_ahead() -> None:
    assert read(with_(occurred_at=OCCURRED_AT_END_MS - 1))[2] == []


def test_minor_units_follow_the_currency() -> None:
    columns, _, _ = read(with_(amount="5", currency="JPY"), with_(amount="5"), with_(amount="5", currency="KWD"))
    assert columns.amount_minor.tolist() == [5, 500, 5000]
    assert columns.minor_per_major.tolist() == [1.0, 100.0, 1000.0]
    assert len(set(columns.currency_code.tolist()) - {0}) == 3


def test_missing_values_are_missing_in_every_kind_of_column() -> None:
    columns, _, _ = read(
        GOOD, with_(lat=1.5, card_present=False, device_id="d", attributes={"risk": 2, "trusted": True})
    )
    assert np.isnan(columns.column("lat")[0])
    assert columns.column("lat")[1] == 1.5
    assert columns.column("card_present").tolist() == [-1, 0]
    assert columns.column("device_id").tolist() == [0, digest_text("d", PUBLIC_KEY)]
    assert np.isnan(columns.column("attributes.risk")[0])
    assert columns.column("attributes.risk")[1] == 2.0
    assert columns.column("attributes.trusted").tolist() == [-1, 1]
    assert columns.column("attributes.segment").tolist() == [0, 0]
    assert np.isnan(columns.column("balance_before")).all()


def test_hour_and_weekday_are_of_utc() -> None:
    columns, _, _ = read(with_(occurred_at=0), with_(occurred_at=datetime(2026, 1, 5, 23, tzinfo=UTC)))
    assert columns.column("hour").tolist() == [0.0, 23.0]
    assert columns.column("weekday").tolist() == [3.0, 0.0]  # the epoch was a Thursday


def test_undeclared_attributes_may_be_anything() -> None:
    assert read(with_(attributes={"other": 10**400}))[2] == []


def test_no_payments_make_empty_columns() -> None:
    columns, kept, rejected = read()
    assert (columns.n, kept, rejected) == (0, [], [])
    assert columns.column("amount").tolist() == []
    assert columns.column("device_id").tolist() == []


def test_a_published_time_in_seconds_is_refused_with_a_sentence_and_a_date_is_not() -> None:
    now_ms = 1_750_000_000_000
    in_seconds, long_ago = with_(occurred_at=now_ms // 1000), with_(occurred_at=datetime(1999, 1, 1, tzinfo=UTC))
    _, kept, [rejected] = read(in_seconds, long_ago, GOOD, published_at_ms=now_ms)
    assert kept == [1, 2]
    assert (rejected.reason, rejected.path) == ("occurred_at", "$.occurred_at")
    assert rejected.sentence.startswith("occurred_at looks like seconds since the epoch; give milliseconds")


def test_a_file_may_count_its_time_from_zero() -> None:
    assert read(with_(occurred_at=0))[1:] == ([0], [])
