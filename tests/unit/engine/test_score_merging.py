"""What several partitions have learned, merged, against one partition that has learned from the whole log."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from fraudstream.contracts.label import Label
from fraudstream.contracts.payment import Payment
from fraudstream.engine.engine import Engine
from fraudstream.engine.learned_score.counts import WEIGHT_AT_FIRST
from fraudstream.engine.learned_score.merging import merge
from fraudstream.engine.learned_score.score_state import ScoreState
from fraudstream.engine.learned_score.scorer import EvidenceScorer
from fraudstream.engine.learned_score.scoring import new_score_state
from fraudstream.engine.rule_set import compile_rule_set

NOON = 1_750_000_000_000
PARTITIONS = 3
RULE_SET = compile_rule_set(
    {
        "features.yaml": """
version: 1
entities: {account: {key: account_id, slots: 16}}
features:
  account.payments_1h: {aggregate: count, window: 1h}
  account.risk_7d: {aggregate: risk, window: 7d}
""",
        "score.yaml": """
kind: evidence
threshold: 0.5
parts:
  - {part: burst, value: account.payments_1h, bins: {from: 0, step: 1, count: 20}}
  - {part: risk, value: account.risk_7d, bins: {doublings_of: 0.00001, neutral: 0.005}}
""",
    }
)
Event = Payment | Label


def log(begin: int, end: int) -> list[Event]:
    """Payments of eleven accounts, two of which turn out to be fraud, labelled after a while."""
    events: list[Event] = []
    for n in range(begin, end):
        account = f"a-{n % 11}"
        events.append(Payment(f"e-{n}", NOON + n * 60_000, account, "10.00", "EUR", "debit"))
        if n >= 20:
            earlier = f"a-{(n - 20) % 11}"
            events.append(Label(f"e-{n - 20}", earlier, "fraud" if earlier < "a-2" else "genuine", NOON + n))
    return events


def partition_of(event: Event) -> int:
    return int(event.account_id.removeprefix("a-")) % PARTITIONS


def learned(events: Sequence[Event], states: Callable[[], ScoreState] | None = None) -> ScoreState:
    engine = Engine(RULE_SET)
    state = engine.new_state()
    if states is not None:
        state.learned = states()
    engine.judge(events, state)
    assert state.learned is not None
    return state.learned


def split(events: Sequence[Event]) -> list[ScoreState]:
    return [learned([event for event in events if partition_of(event) == number]) for number in range(PARTITIONS)]


def begun() -> ScoreState:
    assert isinstance(RULE_SET.scorer, EvidenceScorer)
    return new_score_state(RULE_SET.scorer)


def test_counts_of_accounts_add_up_to_those_of_one_partition() -> None:
    merged, whole = merge(split(log(0, 900)), begun()), learned(log(0, 900))
    for name in ("values", "blocks", "seen", "labels", "of_part"):
        assert np.array_equal(getattr(merged.counts, name), getattr(whole.counts, name)), name
    assert merged.counts.labels.min() > 100
    risk = merged.counts.labelled[:, 1]
    assert np.array_equal(risk, whole.counts.labelled[:, 1])  # a rarity's bin depends on what its partition has seen


def test_one_partition_is_merged_to_itself() -> None:
    whole = learned(log(0, 300))
    assert merge([whole], begun()).records() == whole.records()
    assert whole.counts.weight.tolist() != [WEIGHT_AT_FIRST] * 2


def test_weights_are_the_mean_by_labels_and_partitions_without_labels_have_none() -> None:
    first, second, unlabelled = learned(log(0, 300)), learned(log(0, 90)), learned(log(0, 10))
    merged = merge([first, second, unlabelled], begun())
    n, m = (int(state.counts.labels.sum()) for state in (first, second))
    assert (n, m) == (280, 70)
    for part in range(2):
        mean = (first.counts.weight[part] * n + second.counts.weight[part] * m) / (n + m)
        assert abs(merged.counts.weight[part] - mean) <= 0.5
    assert merge([unlabelled, unlabelled], begun()).counts.weight.tolist() == [WEIGHT_AT_FIRST] * 2


def test_what_all_partitions_began_with_counts_once() -> None:
    first_days = learned(log(0, 300))

    def of_calibration() -> ScoreState:
        state = begun()
        for key, value in first_days.records().items():
            state.restore(key, value)
        state.restored()
        return state

    def later(number: int) -> list[Event]:
        return [event for event in log(300, 600) if partition_of(event) == number and isinstance(event, Payment)]

    merged = merge([learned(later(number), of_calibration) for number in range(PARTITIONS)], of_calibration())
    assert merged.counts.seen.tolist() == [600, 0]
    assert merged.totals() == first_days.totals()
    assert np.array_equal(merged.counts.labelled, first_days.counts.labelled)
