"""The order between accounts changes nothing: each account's verdicts follow from its own events.

True of catalogues of the account alone: a device that two accounts share sees the order between them. A label finds its
payment until the newest payment of the whole partition is older by the retention of labels, so longer logs have none.
"""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fraudstream.contracts import Payment
from fraudstream.engine.columns import time_ms
from fraudstream.engine.engine import Engine
from tests.property.judged_log import Judgement, judged
from tests.property.payment_logs import Log, logs
from tests.property.profile import EXAMPLES
from tests.property.rule_sets import ACCOUNT_ENGINES


@pytest.mark.parametrize("name", ACCOUNT_ENGINES)
@EXAMPLES
@given(log=logs(), seed=st.integers(0, 1 << 32))
def test_any_interleaving_of_accounts_gives_each_account_the_same_verdicts(name: str, log: Log, seed: int) -> None:
    engine = ACCOUNT_ENGINES[name]
    log = _within_retention(engine, log)
    found = judged(engine, engine.new_state(), [log])
    mixed = judged(engine, engine.new_state(), [interleaved(log, seed)])
    alone = judged(engine, engine.new_state(), [[event for event in log if event.account_id == "a"]])
    assert _by_event(mixed.verdicts) == _by_event(found.verdicts)
    assert sorted(mixed.alerts) == sorted(found.alerts)
    of_a = {event.event_id for event in log if event.account_id == "a"}
    assert alone.verdicts == [verdict for verdict in found.verdicts if verdict.event_id in of_a]


def interleaved(log: Log, seed: int) -> Log:
    """The events of each account in their order, the accounts in any."""
    order = [event.account_id for event in log]
    random.Random(seed).shuffle(order)
    queues = {account: iter([event for event in log if event.account_id == account]) for account in set(order)}
    return [next(queues[account]) for account in order]


def _within_retention(engine: Engine, log: Log) -> Log:
    labels = engine.new_state().labels
    times = [time_ms(event.occurred_at) for event in log if isinstance(event, Payment)]
    if labels is None or not times or max(times) - min(times) < labels.plan.retention_ms:
        return log
    return [event for event in log if isinstance(event, Payment)]


def _by_event(verdicts: list[Judgement]) -> dict[str, list[Judgement]]:
    found: dict[str, list[Judgement]] = {}
    for verdict in verdicts:
        found.setdefault(verdict.event_id, []).append(verdict)
    return found
