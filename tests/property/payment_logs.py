"""Logs of payments and labels for hypothesis, drawn as small tuples so that a failing log shrinks to a few lines.

Drawn on purpose: equal milliseconds, window edges hit and missed by one, payments out of order and late, duplicates,
labels early, late, repeated and contradicting, several currencies, missing fields, few accounts that share devices.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

from hypothesis import strategies as st

from fraudstream.contracts.label import Label
from fraudstream.contracts.payment import Payment

Event: TypeAlias = Payment | Label
Log: TypeAlias = list[Event]

MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000
BEGIN_MS = 1_750_000_000_000

ACCOUNTS = ("a", "a", "a", "a", "b", "c")  # one of them busy
CURRENCIES = ("EUR", "EUR", "EUR", "USD", "JPY", "KWD")
AMOUNTS = ("0", "1", "3", "5", "10", "250", "8000", "9999", "123456789")
LOCATIONS = (None, (52.52, 13.405), (48.137, 11.575), (-33.87, 151.21), (0.0, 180.0), (0.0, -180.0), (90.0, 0.0))
# More countries than an overflow holds evicted values.
COUNTRIES = (None, "DE", "DE", "FR", "AU", "BR", "CN", "DK", "EG", "FI", "GR", "HU", "IN", "JP")
STEPS_MS = (
    0, 0, 1, 1_000, MINUTE_MS - 1, MINUTE_MS, MINUTE_MS + 1, HOUR_MS, HOUR_MS, DAY_MS, 3 * DAY_MS, 31 * DAY_MS,
    -1, -MINUTE_MS, -HOUR_MS, -DAY_MS, -2 * DAY_MS - 1, -40 * DAY_MS,
)  # fmt: skip

_PAY, _REPEAT, _LABEL = "pay", "repeat", "label"
_choice = st.integers(0, 1_000_000)

_payments = st.tuples(st.just(_PAY), st.integers(0, len(ACCOUNTS) - 1), st.sampled_from(STEPS_MS), _choice)
_repeats = st.tuples(st.just(_REPEAT), st.integers(0, 12), st.just(0), st.just(0))
_labels = st.tuples(st.just(_LABEL), st.integers(0, 12), st.just(0), _choice)
_events = st.one_of(_payments, _payments, _payments, _payments, _payments, _repeats, _labels)
_drawn = st.lists(_events, max_size=20) | st.lists(_events, min_size=20, max_size=60)
# Many payments of one account at one moment, and some a millisecond on either side of it.
_at_once = st.tuples(st.just(_PAY), st.integers(0, 4), st.sampled_from((0, 0, 0, 0, 0, 0, 1, -1)), _choice)
_crowd = st.lists(st.one_of(_at_once, _at_once, _at_once, _repeats, _labels), min_size=10, max_size=60)


def logs() -> st.SearchStrategy[Log]:
    return (_drawn | _crowd).map(log_of)


def log_of(drawn: Sequence[tuple[str, int, int, int]]) -> Log:
    """The log that the tuples describe. A step, which may be negative, moves time; repeats and labels look back."""
    log: Log = []
    paid: list[Payment] = []
    now_ms = BEGIN_MS
    for number, (kind, which, step_ms, choice) in enumerate(drawn):
        if kind == _PAY:
            now_ms += step_ms
            paid.append(_payment(number, ACCOUNTS[which], now_ms, choice))
            log.append(paid[-1])
            if step_ms < -HOUR_MS:
                now_ms -= step_ms  # only this payment is late; time continues where it was
        elif paid:
            payment = paid[-1 - min(which, len(paid) - 1)]
            log.append(payment if kind == _REPEAT else _label(payment, choice))
    return log


def time_ms(payment: Payment) -> int:
    return moment_ms(payment.occurred_at)


def moment_ms(moment: int | datetime) -> int:
    return (
        moment if isinstance(moment, int) else (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    )


class _Digits:
    """Takes one small choice after another from a number."""

    def __init__(self, number: int) -> None:
        self._rest = number * 2_654_435_761 % (1 << 61)

    def below(self, count: int) -> int:
        self._rest, digit = divmod(self._rest, count)
        return digit


def _payment(number: int, account: str, occurred_at_ms: int, choice: int) -> Payment:
    digits = _Digits(choice)
    currency = CURRENCIES[digits.below(len(CURRENCIES))]
    amount = AMOUNTS[digits.below(len(AMOUNTS))]
    if currency != "JPY" and digits.below(2):
        amount += ".05"
    location = LOCATIONS[digits.below(len(LOCATIONS))]
    in_words = digits.below(2) == 1
    attributes: list[dict[str, str | int | float | bool] | None] = [
        None,
        {"trusted": True},
        {"trusted": False, "note": "x"},
    ]
    return Payment(
        event_id=f"e-{number}",
        occurred_at=datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=occurred_at_ms)
        if in_words
        else occurred_at_ms,
        account_id=account,
        amount=amount,
        currency=currency,
        direction="debit" if digits.below(3) else "credit",
        merchant_id=(None, "m-1", "m-2", "m-3")[digits.below(4)],
        device_id=(None, "d-1", "d-2")[digits.below(3)],
        country=COUNTRIES[digits.below(len(COUNTRIES))],
        lat=location[0] if location else None,
        lon=location[1] if location else None,
        card_present=(None, True, False)[digits.below(3)],
        attributes=attributes[digits.below(3)],
    )


def _label(payment: Payment, choice: int) -> Label:
    digits = _Digits(choice)
    return Label(
        event_id=payment.event_id,
        account_id=payment.account_id,
        label=("fraud", "fraud", "genuine")[digits.below(3)],
        labelled_at=time_ms(payment) + (0, 1, HOUR_MS, DAY_MS)[digits.below(4)],
        payment_occurred_at=(None, payment.occurred_at, payment.occurred_at, time_ms(payment) // 1_000 * 1_000)[
            digits.below(4)
        ],
        device_id=payment.device_id if digits.below(2) else None,
    )
