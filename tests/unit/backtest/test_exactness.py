"""Decisions of a replay are a function of what precedes each payment, to the bit: with a score that learns, a model
that decides and two that challenge it, neither the future nor batch sizes nor threads are in them."""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
import pyarrow.parquet as pq
import pytest

from fraudstream.backtest.replay import replay
from tests.unit.engine.trees_of_rules import model_bytes, with_models
from tests.unit.learning.labelled_log import DAY_MS, FEATURES, START_MS, Log, made_log

SCORE = """\
kind: evidence
threshold: 0.2
pull: 3
parts:
  - {part: tempo, value: account.payments_1d, bins: {from: 0, step: 1, count: 20}}
  - {part: amount, value: amount / account.mean_7d, bins: {from: 0, step: 0.1}}
  - {part: terminal, value: terminal.fraud_share_7d, bins: {doublings_of: 0.001, neutral: 0.05}}
"""
INPUTS = ["score", "amount", "terminal.fraud_share_7d", "account.mean_7d"]
MODELS = {
    name: model_bytes(
        INPUTS, (0, low, -2.0, 1.5), (1, 90.0, -1.0, 1.0), (2, 0.1, 0.0, 0.7), features=FEATURES, score=SCORE
    )
    for name, low in (("live", 0.02), ("second", 0.04), ("third", 0.01))
}
RULE_SET = with_models(MODELS, "{champion: live, challengers: [second, third]}", features=FEATURES, score=SCORE)
LOG = made_log(days=24)


class Decided(NamedTuple):
    """The files of a replay: rows of `decisions.parquet`, and the lines of `alerts.jsonl`."""

    decisions: list[dict[str, object]]
    alerts: list[bytes]


def decided(log: Log, out: Path, batch_size: int = 500, part: int = 400) -> Decided:
    """`part`: payments that the reader of the file gives at once."""
    replay(RULE_SET, log.cut(part), out, label_delay_ms=2 * DAY_MS, batch_size=batch_size)
    alerts = (out / "alerts.jsonl").read_bytes().splitlines()
    return Decided(pq.read_table(out / "decisions.parquet").to_pylist(), alerts)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Decided:
    found = decided(LOG, tmp_path_factory.mktemp("whole"))
    assert len(found.alerts) > 50
    for name in ("score", "score.score", "score.second", "score.third"):
        assert len({row[name] for row in found.decisions}) >= 6
    assert len({row["score.score"] for row in found.decisions}) > 500
    return found


@pytest.mark.parametrize("day", [6, 15])
def test_what_comes_later_moves_no_decision_before_it(day: int, whole: Decided, tmp_path: Path) -> None:
    """Later payments change places and amounts, and all of them, and half of those whose labels come later, are
    labelled the other way."""
    at_ms = START_MS + day * DAY_MS
    split = int(np.searchsorted(LOG.occurred_at_ms, at_ms))
    order = np.random.default_rng(day).permutation(len(LOG.payments) - split) + split
    later = [
        msgspec.structs.replace(LOG.payments[other], event_id=payment.event_id, occurred_at=payment.occurred_at)
        for payment, other in zip(LOG.payments[split:], order.tolist(), strict=True)
    ]
    labels = LOG.labels.copy()
    unknown = np.flatnonzero((LOG.occurred_at_ms + 2 * DAY_MS > at_ms) & (labels >= 0))[::2]
    labels[unknown] = 1 - labels[unknown]
    labels[split:] = np.abs(1 - labels[split:])
    changed = decided(Log([*LOG.payments[:split], *later], LOG.occurred_at_ms, labels), tmp_path)
    assert without_labels(changed)[:split] == without_labels(whole)[:split]
    assert without_labels(changed)[split:] != without_labels(whole)[split:]
    before = sum(row["alert_id"] is not None for row in whole.decisions[:split])
    assert changed.alerts[:before] == whole.alerts[:before]


def without_labels(found: Decided) -> list[dict[str, object]]:
    """The decisions without what an evaluation knows."""
    return [{name: value for name, value in row.items() if name != "label"} for row in found.decisions]


@pytest.mark.parametrize(("batch_size", "part"), [(5, 400), (37, 11), (100_000, 100_000)])
def test_neither_batches_nor_parts_of_the_file_change_a_bit(
    batch_size: int, part: int, whole: Decided, tmp_path: Path
) -> None:
    assert decided(LOG, tmp_path, batch_size, part) == whole


def test_replays_in_several_threads_at_once_change_no_bit(whole: Decided, tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as threads:
        found = threads.map(decided, itertools.repeat(LOG), [tmp_path / f"{n}" for n in range(4)], [50, 90, 500, 1_000])
    assert list(found) == [whole] * 4
