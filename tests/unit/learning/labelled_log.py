"""A made-up log in which fraud is learnable: large payments at a few terminals, and quick repeats."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np

from fraudstream.contracts.payment import Payment
from fraudstream.engine.arrays import Int8Array, Int64Array

START_MS = 1_750_000_000_000
DAY_MS = 86_400_000
FEATURES = """\
version: 1
entities:
  account: {key: account_id, slots: 8}
  terminal: {key: terminal_id, slots: 8}
features:
  account.payments_1d: {aggregate: count, window: 1d}
  account.mean_7d: {aggregate: mean, of: amount, window: 7d, includes: false}
  account.age: {aggregate: age}
  terminal.fraud_share_7d: {aggregate: share, of: fraud, window: 7d, delay: 1d}
  large: {derive: amount > 100}
"""
SCORE = "threshold: 0.9\nparts: [{part: busy, weight: 0.5, value: account.payments_1d, from: 1, to: 3}]\n"


class Log(NamedTuple):
    """As `label_order.LabelledPayments`."""

    payments: list[Payment]
    occurred_at_ms: Int64Array
    labels: Int8Array
    labelled_at_ms: Int64Array | None = None

    def part(self, chosen: slice | Int64Array) -> Log:
        """Some of the payments."""
        numbers = np.arange(len(self.payments))[chosen].tolist()
        told = None if self.labelled_at_ms is None else self.labelled_at_ms[chosen]
        return Log([self.payments[k] for k in numbers], self.occurred_at_ms[chosen], self.labels[chosen], told)

    def cut(self, size: int) -> Iterator[Log]:
        """The log in parts of `size` payments."""
        for at in range(0, len(self.payments), size):
            yield self.part(slice(at, at + size))


def made_log(days: int = 20, a_day: int = 60, seed: int = 5) -> Log:
    """A log of `days` days; every seventh label is missing."""
    random = np.random.default_rng(seed)
    n = days * a_day
    times = START_MS + np.sort(random.integers(0, days * DAY_MS, n))
    account, terminal = random.integers(0, 40, n), random.integers(0, 20, n)
    amount = np.round(random.gamma(2.0, 30.0, n), 2) + 0.01
    odds = -5.0 + 3.0 * (terminal < 3) + amount / 60.0
    fraud = random.random(n) < 1.0 / (1.0 + np.exp(-odds))
    labels = np.where(np.arange(n) % 7 == 6, -1, fraud).astype(np.int8)
    payments = [
        Payment(f"e-{k}", int(t), f"a-{a}", f"{m:.2f}", "EUR", "debit", terminal_id=f"t-{terminal_}")
        for k, (t, a, m, terminal_) in enumerate(zip(times, account, amount, terminal, strict=True))
    ]
    return Log(payments, times, labels)


def write_topic_file(log: Log, path: Path) -> None:
    """Write a log as JSON lines in the form of the topic, each label two days after its payment."""
    lines = []
    for payment, t, label in zip(log.payments, log.occurred_at_ms.tolist(), log.labels.tolist(), strict=True):
        lines.append((t, 1, msgspec.json.encode(payment)))
        if label >= 0:
            at_ms, word = t + 2 * DAY_MS, "fraud" if label else "genuine"
            said = {"label": word, "labelled_at": at_ms, "terminal_id": payment.terminal_id}
            named = {"event_id": payment.event_id, "account_id": payment.account_id}
            lines.append((at_ms, 0, msgspec.json.encode(named | said)))
    path.write_bytes(b"\n".join(line for _, _, line in sorted(lines)) + b"\n")
