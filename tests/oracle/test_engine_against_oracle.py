"""The engine against the slow oracle, which keeps every payment and computes every feature from its definition.

What holds, for each feature of each payment that is no repeat:

- EXACT: the answer is the oracle's; means and deviations to 1e-9, distances to the precision of float32 locations.
- PANE: count, sum, min and max lie between the answer for the window and that for the window with both ends moved
  out by one pane. (A pane that lies across an end counts as a whole.) A mean or a share lies between what the least
  total over the largest count and the largest total over the least count give. Nothing is promised of a deviation.
- AT_LEAST: the answer comes from the payments still held. Counts, sums, maxima and distinct counts are at least that,
  minima at most; 'seen before' is true where it is said; the others may be anything, and say so.

- UNCORRECTED: nothing, but a reversal or capture of the entity came before whose payment its ring did not hold.

All of these hold against a history in which every reversal and capture has its effect, also where the ring no longer
held the payment; the verdict then names the entity. The test checks that it does so there, and nowhere else.

A payment that is late for its account is judged but not added to the state, because it may be a repeat. The test leaves
late ones out of the oracle's history, and checks that none is called late while the account still holds its span.

A label is one of its payment in the history of every entity, whatever it names and wherever the payment is held.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from itertools import zip_longest

import pytest
from hypothesis import given
from msgspec import structs

from fraudstream.contracts.label import Label
from fraudstream.contracts.payment import Payment
from fraudstream.engine.aggregates.code_tables import text_of_code
from fraudstream.engine.aggregates.registry import REGISTRY
from fraudstream.engine.digest import PUBLIC_KEY
from fraudstream.engine.engine import Engine
from fraudstream.engine.kernel_types import AT_LEAST, EXACT, PANE, UNCORRECTED
from fraudstream.engine.plan import EntityPlan
from fraudstream.engine.rule_set import compile_rule_set
from tests.oracle.catalogues import CATALOGUES, ROOMY
from tests.oracle.slow_oracle import (
    RELATED,
    Answer,
    Feature,
    OracleEntity,
    amounts_in,
    apply_label,
    labelled_in,
    oracle_of,
    retention_ms_of,
    seen,
    smoothed,
)
from tests.property.payment_logs import Log, logs, time_ms
from tests.property.profile import EXAMPLES
from tests.property.twin import seeded_log

LOCATION_KM = 0.005  # locations are held as float32: 1.7 m at 180 degrees, and two of them

ENGINES = {name: Engine(compile_rule_set({"features.yaml": text})) for name, text in CATALOGUES.items()}


@pytest.mark.parametrize("name", CATALOGUES)
@EXAMPLES
@given(log=logs())
def test_every_answer_is_what_it_says_it_is(name: str, log: Log) -> None:
    check_every_answer(name, log)


def check_every_answer(name: str, log: Log) -> None:
    engine, oracle = ENGINES[name], oracle_of(CATALOGUES[name])
    verdicts = engine.judge(log, engine.new_state())
    assert not verdicts.rejected
    pane_ms = {plan.entity.name: plan.entity.pane_ms for plan in verdicts.plans}
    row_of = {position: row for row, position in enumerate(verdicts.positions.tolist())}
    known: set[str] = set()
    watermark_ms = 0
    decisions = verdicts.decisions()
    for position, event in enumerate(log):
        if isinstance(event, Label):
            apply_label(oracle, event, position, watermark_ms - retention_ms_of(CATALOGUES[name]))
            continue
        row, watermark_ms = row_of[position], max(watermark_ms, time_ms(event))
        if verdicts.repeat[row]:
            assert event.event_id in known, f"{event} is called a repeat, and is none"
            continue
        late = bool(verdicts.late[row])
        if event.kind in RELATED:
            _correct(oracle, event, late, decisions[row].unmatched, verdicts.plans)
        else:
            assert decisions[row].unmatched == ()
        for feature in (feature for entity in oracle.values() for feature in entity.features):
            entity_name = feature.name.partition(".")[0]
            entity = oracle[entity_name]
            found = _Answered(
                float(verdicts.features[feature.name][row]), int(verdicts.errors[feature.name][row]), event
            )
            found.check(entity, feature, pane_ms[entity_name])
        if late:
            _check_that_late_is_due(oracle["account"], event, engine, event.event_id in known)
        assert late or event.event_id not in known, f"{event} is a repeat, and not called so"
        known.add(event.event_id)
        if not late:
            for entity in oracle.values():
                entity.remember(event)


@EXAMPLES
@given(log=logs())
def test_a_ring_with_room_answers_recent_windows_exactly(log: Log) -> None:
    """Else an engine that calls everything a bound would pass the test above."""
    engine = ENGINES["roomy"]
    verdicts = engine.judge(log, engine.new_state())
    windowed = [feature.name for feature in oracle_of(ROOMY)["account"].features if feature.window_ms]
    newest_ms: dict[str, int] = {}
    for row, payment in enumerate(verdicts.payments):
        t = time_ms(payment)
        newest_ms[payment.account_id] = max(newest_ms.get(payment.account_id, t), t)
        if newest_ms[payment.account_id] - t < 24 * 3_600_000:
            for name in windowed:
                if not verdicts.repeat[row]:
                    assert verdicts.errors[name][row] == EXACT, f"{name} of {payment}"


@pytest.mark.parametrize("name", CATALOGUES)
def test_hundreds_of_accounts_are_kept_apart(name: str) -> None:
    """The arena grows in the middle of a batch, and blocks of slots change hands."""
    logs = [named(seeded_log(seed), f"-{seed}") for seed in range(40)]
    merged = [event for events in zip_longest(*logs) for event in events if event is not None]
    check_every_answer(name, merged)


def named(log: Log, suffix: str) -> Log:
    """The log of other accounts and other payments."""
    return [
        structs.replace(
            event,
            event_id=event.event_id + suffix,
            account_id=event.account_id + suffix,
            **({"relates_to": event.relates_to + suffix} if isinstance(event, Payment) and event.relates_to else {}),
        )
        for event in log
    ]


def test_the_catalogues_have_every_aggregate() -> None:
    assert {feature.aggregate for entity in oracle_of(ROOMY).values() for feature in entity.features} == set(REGISTRY)


def _correct(
    oracle: dict[str, OracleEntity], event: Payment, late: bool, unmatched: Sequence[str], plans: Sequence[EntityPlan]
) -> None:
    """Correct the history of each entity, and check that the engine names those whose ring did not hold the payment."""
    if late:  # it may be a copy, so it has no effect
        assert unmatched == ("account",)
        return
    for plan in plans:
        entity, is_unmatched = oracle[plan.entity.name], plan.entity.name in unmatched
        named, payment = entity.named(event), entity.related(event)
        if is_unmatched:
            entity.uncorrected.add(entity.name_of(event) or "")
        if entity.past_of(event) is None:
            assert not is_unmatched, f"{event} has no {plan.entity.name}"
        elif payment is None or named is None:
            assert is_unmatched, f"{event} relates to nothing of its {plan.entity.name}"
        elif is_unmatched:
            assert may_have_left(entity, event, min(named.t, payment.t), plan), f"{event} relates to a payment held"
            entity.correct(event)
        else:
            entity.correct(event)


class _Answered:
    """One answer of the engine: its value, how it was answered, and the payment."""

    def __init__(self, value: float, error: int, payment: Payment) -> None:
        self.value, self.error, self.payment = value, error, payment

    def check(self, entity: OracleEntity, feature: Feature, pane_ms: int) -> None:
        true = entity.answer(feature, self.payment)
        compared = (
            f"{feature.name} of {self.payment.event_id}: the engine says {self.value} ({self.error}), the oracle {true}"
        )
        if self.error == EXACT:
            assert _equal(feature, self.value, true), compared
        elif self.error == PANE:
            wide = entity.answer(feature, self.payment, pane_ms)
            bounds = _pane_bounds(entity, feature, self.payment, pane_ms)
            assert bounds is None or _between(self.value, *bounds), f"{compared}, in the wider window {wide}"
        elif self.error == UNCORRECTED:
            assert entity.name_of(self.payment) in entity.uncorrected, compared
        else:
            assert self.error == AT_LEAST, compared
            assert _is_bound(feature, self.value, true), compared


def _equal(feature: Feature, value: float, true: Answer) -> bool:
    if true is None:
        return math.isnan(value)
    if feature.aggregate == "last":
        return text_of_code(value, PUBLIC_KEY) == true
    assert not isinstance(true, str), f"{feature.name} is no text"
    if feature.aggregate == "z_score":  # logarithms are rounded to 1/1,024 of a doubling
        return math.isclose(value, true, rel_tol=0.01, abs_tol=0.01)
    if feature.aggregate == "rarity":
        return abs(value - true) <= 4 / 65_536
    if feature.aggregate in ("mean", "std", "share", "risk", "risk_last"):
        return math.isclose(value, true, rel_tol=1e-9, abs_tol=1e-9)
    if feature.aggregate == "distance":
        return abs(value - true) <= LOCATION_KM
    if feature.aggregate == "speed":
        return abs(value - true) <= max(LOCATION_KM * 3_600, 1e-9 * true)  # a second is the shortest time
    return value == true


def _pane_bounds(
    entity: OracleEntity, feature: Feature, payment: Payment, pane_ms: int
) -> tuple[Answer, Answer] | None:
    narrow, wide = entity.answer(feature, payment), entity.answer(feature, payment, pane_ms)
    if feature.aggregate in ("count", "sum", "min", "max"):
        return narrow, wide
    if feature.aggregate in ("std", "z_score"):
        return None
    past = entity.past_of(payment)
    assert past is not None
    if feature.aggregate == "risk":
        (least_f, least_g), (most_f, most_g) = (
            labelled_in(feature, seen(payment), past, widen_ms) for widen_ms in (0, pane_ms)
        )
        return smoothed(feature, least_f, most_g), smoothed(feature, most_f, least_g)
    counted = feature._replace(aggregate="count")
    if feature.aggregate == "share":
        least_n, most_n = entity.answer(counted, payment), entity.answer(counted, payment, pane_ms)
        assert isinstance(least_n, int)
        assert isinstance(most_n, int)
        hits = Fraction(narrow or 0) * least_n
        return hits / most_n if most_n else 0, min(
            Fraction(wide or 0) * most_n / least_n, Fraction(1)
        ) if least_n else 1
    least, most = (amounts_in(feature, seen(payment), past, widen_ms) for widen_ms in (0, pane_ms))
    if not least:
        return None, max(most, default=None)
    return Fraction(sum(least), len(most)), Fraction(sum(most), len(least))


def _between(value: float, one: Answer, other: Answer) -> bool:
    """Whether the value lies between two answers. A missing one sets no bound; the value is missing only if one is."""
    if math.isnan(value):
        return one is None or other is None
    if one is None and other is None:
        return False
    bounds = [float(answer) for answer in (one, other) if answer is not None]
    slack = 1e-9 * max(map(abs, bounds))
    return len(bounds) < 2 or min(bounds) - slack <= value <= max(bounds) + slack


def _is_bound(feature: Feature, value: float, true: Answer) -> bool:
    if isinstance(true, str):
        return feature.aggregate == "last"
    if feature.aggregate in ("count", "sum", "distinct", "max"):
        return math.isnan(value) or (true is not None and value <= true)
    if feature.aggregate == "min":
        return math.isnan(value) or (true is not None and value >= true)
    if feature.aggregate == "first_seen":
        return value == 1.0 or true is False
    return feature.aggregate in (
        "z_score",
        "rarity",
        "mean",
        "median",
        "std",
        "share",
        "risk",
        "risk_last",
        "since_last",
        "distance",
        "speed",
        "last",
    )


def _check_that_late_is_due(account: OracleEntity, payment: Payment, engine: Engine, known: bool) -> None:
    """A payment is late only behind as many newer ones as the ring holds, or behind more time than it must hold.

    Payments of one moment have the order of the log, so those of its own time are newer only than a copy (`known`).
    """
    plan = engine.new_state().entities[0].plan
    assert may_have_left(account, payment, time_ms(payment) + (not known), plan), f"{payment} is not late"


def may_have_left(entity: OracleEntity, event: Payment, t: int, plan: EntityPlan) -> bool:
    """Whether the entity's ring may have evicted a payment at `t`: it holds `slots` of them, and all of the horizon."""
    newer = [before.t for before in entity.past_of(event) or [] if before.t >= t]
    return len(newer) >= plan.entity.slots or max(newer, default=t) - t >= plan.plan.horizon_ms
