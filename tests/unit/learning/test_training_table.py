"""The training table knows of each payment what the engine knew when it decided it, and labels only once they came."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fraudstream.backtest.label_order import Events
from fraudstream.contracts.label import Label
from fraudstream.engine.rule_set import compile_rule_set
from fraudstream.learning.default_inputs import default_inputs
from fraudstream.learning.known_labels import KnownLabels, known_by, labels_given
from fraudstream.learning.sampling import Rows, Sample
from fraudstream.learning.training_table import Period, TrainingTable, training_table
from tests.property.profile import EXAMPLES
from tests.unit.learning.labelled_log import DAY_MS, FEATURES, SCORE, START_MS, Log, made_log

RULES = compile_rule_set({"features.yaml": FEATURES, "score.yaml": SCORE})
INPUTS = default_inputs(RULES.catalogue, RULES.base_score)
LOG = made_log()
PERIOD = Period(START_MS + 2 * DAY_MS, START_MS + 12 * DAY_MS, START_MS + 18 * DAY_MS, 2 * DAY_MS)


def table_of(log: Log, period: Period = PERIOD, genuine_max: int = 10_000, size: int = 500) -> TrainingTable:
    return training_table(RULES, log.cut(size), INPUTS, period, genuine_max, batch_size=size)


def same(one: Rows, other: Rows) -> bool:
    return all(np.array_equal(a, b, equal_nan=a.dtype == np.float64) for a, b in zip(one, other, strict=True))


def test_by_default_a_model_reads_what_keeps_its_meaning() -> None:
    assert INPUTS == (
        "amount", "balance_before", "balance_after", "card_present", "hour", "weekday",
        "account.payments_1d", "account.mean_7d", "terminal.fraud_share_7d", "large", "score",
    )  # fmt: skip


def test_rows_are_the_labelled_payments_of_the_period_whose_label_was_known() -> None:
    table = table_of(LOG)
    for rows, since, until in (
        (table.fit, PERIOD.from_ms, PERIOD.split_ms),
        (table.later, PERIOD.split_ms, PERIOD.until_ms - PERIOD.label_delay_ms + 1),
    ):
        chosen = (LOG.occurred_at_ms >= since) & (LOG.occurred_at_ms < until) & (LOG.labels >= 0)
        assert rows.occurred_at_ms.tolist() == LOG.occurred_at_ms[chosen].tolist()
        assert rows.fraud.tolist() == (LOG.labels[chosen] == 1).tolist()
        assert rows.values[:, 0].tolist() == [
            float(payment.amount) for payment, here in zip(LOG.payments, chosen, strict=True) if here
        ]
    assert table.payments == int((LOG.occurred_at_ms < PERIOD.until_ms).sum())


def test_shuffling_what_comes_later_changes_no_row_before_it() -> None:
    at_ms = START_MS + 10 * DAY_MS
    split = int(np.searchsorted(LOG.occurred_at_ms, at_ms))
    order = np.concatenate([np.arange(split), split + np.random.default_rng(1).permutation(len(LOG.payments) - split)])
    mixed = LOG.part(order)
    payments = [
        msgspec.structs.replace(payment, occurred_at=t)
        for payment, t in zip(mixed.payments, LOG.occurred_at_ms.tolist(), strict=True)
    ]
    labels = mixed.labels.copy()
    labels[split:] = 1
    shuffled = Log(payments, LOG.occurred_at_ms, labels)
    before = Period(PERIOD.from_ms, at_ms, PERIOD.until_ms, PERIOD.label_delay_ms)
    assert same(table_of(LOG, before).fit, table_of(shuffled, before).fit)
    assert not same(table_of(LOG, before).later, table_of(shuffled, before).later)


@pytest.mark.parametrize("size", [7, 100])
def test_batches_change_no_row(size: int) -> None:
    whole, cut = table_of(LOG, genuine_max=50), table_of(LOG, genuine_max=50, size=size)
    assert same(whole.fit, cut.fit)
    assert same(whole.later, cut.later)


def test_a_file_with_labels_of_its_own_teaches_what_had_been_said_by_then() -> None:
    payments = LOG.payments[:3]
    times = LOG.occurred_at_ms
    said = [(0, "genuine", times[1]), (1, "fraud", times[1]), (0, "fraud", times[2]), (2, "fraud", times[2] + DAY_MS)]
    labels = [
        Label(payments[k].event_id, payments[k].account_id, word, int(at))  # type: ignore[arg-type]
        for k, word, at in said
    ]
    events = Events([*payments, *labels], np.array([*times[:3], *times[2:3].repeat(4)]), np.full(7, -1, np.int8))
    until = int(times[2]) + 1
    given_ = labels_given([events], [int(times[1]), until])
    assert given_ is not None
    assert given_ == [
        {(payments[0].account_id, "e-0"): 0, (payments[1].account_id, "e-1"): 1},
        {(payments[0].account_id, "e-0"): 1, (payments[1].account_id, "e-1"): 1},
    ]
    [known] = known_by([events], KnownLabels(until, 0, given_[1]))
    assert known.labels[:3].tolist() == [1, 1, -1]


@EXAMPLES
@given(st.lists(st.booleans(), max_size=60), st.integers(1, 10), st.integers(1, 20))
def test_a_sample_keeps_all_frauds_and_the_lowest_digests_of_the_others(
    frauds: list[bool], genuine_max: int, size: int
) -> None:
    fraud, n = np.array(frauds, np.bool_), len(frauds)
    digest = np.random.default_rng(n).permutation(n).astype(np.uint64)
    sample = Sample(genuine_max, 1)
    for at in range(0, n, size):
        part = slice(at, at + size)
        sample.add(np.arange(n, dtype=float)[part, None], fraud[part], np.arange(n)[part], digest[part])
    rows = sample.rows()
    genuine = sorted((digest[k], k) for k in range(n) if not frauds[k])
    kept = sorted([k for k in range(n) if frauds[k]] + [k for _, k in genuine[:genuine_max]])
    assert rows.occurred_at_ms.tolist() == kept
    assert rows.values[:, 0].tolist() == kept
    assert rows.weight[rows.fraud].tolist() == [1.0] * int(rows.fraud.sum())
    assert rows.weight[~rows.fraud].sum() == pytest.approx(len(genuine))
