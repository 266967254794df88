"""The programs of all rule sets in this repository give, on generated payments, what their nodes give.

Method: the engine judges payments with fraud among them, so that columns hold what features and lists really hold; then
nodes and programs read the same columns.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from fraudstream.cli.rule_files import load_rule_set, rule_texts
from fraudstream.engine.arrays import Float64Array
from fraudstream.engine.catalogue import Derived
from fraudstream.engine.digest import PUBLIC_KEY
from fraudstream.engine.engine import Engine
from fraudstream.engine.expression import ColumnSource, Type
from fraudstream.engine.frame import Frame, FrameLayout, new_frame
from fraudstream.engine.plan import plan_entity
from fraudstream.engine.program import filter_program, verdict_program
from fraudstream.engine.rule_set import RuleSet, compile_rule_set
from fraudstream.engine.score import PartScores, PartsScorer
from fraudstream.generator.plan import GeneratorPlan
from fraudstream.generator.stream import stream

ROOT = Path(__file__).parents[2]
DIRECTORIES = ("rules", "examples/account_only", "examples/four_stages", "examples/handbook", "benchmarks/small")
PLAN = GeneratorPlan(start_ms=1_767_225_600_000, seed=3, accounts=150, fraud_share=0.2)
PAYMENTS = 3_000


def rule_set_of(directory: str) -> RuleSet:
    """The rule set of a directory; rules of the Handbook's example are below its features."""
    path = ROOT / directory
    if not (path / "rules").is_dir():
        return load_rule_set(path)
    features = (path / "features.yaml").read_text(encoding="utf-8")
    return compile_rule_set({**rule_texts(path / "rules"), "features.yaml": features})


@cache
def judged(directory: str) -> tuple[RuleSet, ColumnSource]:
    """A rule set, and the columns of the last batch of generated payments that it has judged, lists in use."""
    engine = Engine(rule_set_of(directory))
    state = engine.new_state()
    payments = [payment for batch in stream(PLAN, PAYMENTS) for payment in batch.payments]
    for name, declared in engine.rule_set.lists.items():
        for payment in payments[::7]:
            if not declared.holds_networks and (value := getattr(payment, declared.field)) is not None:
                state.lists.put(name, value, None)
        if declared.holds_networks:
            state.lists.put(name, "0.0.0.0/1", None)
    for start in range(0, PAYMENTS - 1_000, 500):
        engine.judge(payments[start : start + 500], state)
    return engine.rule_set, engine.judge(payments[-1_000:], state).columns


def frame_of(rule_set: RuleSet, columns: ColumnSource) -> tuple[FrameLayout, Frame]:
    """The columns of all names that expressions of a rule set can read; derived features are left out."""
    symbols = rule_set.catalogue.symbols
    lists = tuple(f"lists.{name}" for name in rule_set.lists)
    texts = tuple(name for name, type_ in symbols.items() if type_ is Type.TEXT)
    layout = FrameLayout((*(name for name in symbols if name not in texts), *lists), texts, ())
    frame, derived = new_frame(layout, columns.n), {feature.name for feature in rule_set.catalogue.derived}
    for row, name in enumerate(layout.numbers):
        if name not in derived:
            frame.number[row] = numbers_of(symbols.get(name), columns, name)
    for row, name in enumerate(layout.texts):
        frame.digest[row] = columns.column(name)
    frame.minor_per_major[:] = columns.minor_per_major
    return layout, frame


def numbers_of(type_: Type | None, columns: ColumnSource, name: str) -> Float64Array:
    """A column as a frame holds it: NaN for a missing flag."""
    column = columns.column(name).astype(np.float64)
    return np.where(column < 0, np.nan, column) if type_ is Type.BOOL else column


@pytest.mark.parametrize("directory", DIRECTORIES)
def test_rules_score_and_derived_features_are_as_their_nodes(directory: str) -> None:
    rule_set, columns = judged(directory)
    layout, frame = frame_of(rule_set, columns)
    scorer = rule_set.scorer
    parts = scorer.parts if isinstance(scorer, PartsScorer) else ()
    program = verdict_program(rule_set.catalogue.derived, rule_set.rules, parts, layout, PUBLIC_KEY)
    results = program.run(frame, columns)
    for k, rule in enumerate(rule_set.rules):
        fired = results.true[k // 64] >> np.uint64(k % 64) & np.uint64(1)
        assert fired.tolist() == rule.when.true(columns).tolist(), rule.name
    if isinstance(scorer, PartsScorer):
        assert PartScores(results.points).points.tolist() == scorer.score(columns).points.tolist()
    for derived in rule_set.catalogue.derived:
        found = frame.number[layout.numbers.index(derived.name)]
        assert np.array_equal(found, values_of(derived, columns), equal_nan=True), derived.name


def values_of(derived: Derived, columns: ColumnSource) -> Float64Array:
    """A derived feature by its nodes, as a frame holds it."""
    if derived.type is not Type.BOOL:
        return derived.expression.values(columns)
    true, known = derived.expression.truth(columns)
    return np.where(known, true, np.nan)


@pytest.mark.parametrize("directory", DIRECTORIES)
def test_filters_are_as_their_nodes(directory: str) -> None:
    rule_set, columns = judged(directory)
    layout, frame = frame_of(rule_set, columns)
    for entity in rule_set.catalogue.stages:
        filters = plan_entity(rule_set.catalogue, entity).filters
        true = filter_program(filters, layout, PUBLIC_KEY).run(frame, columns).true[0]
        for k, filter_ in enumerate(filters):
            assert (true >> np.uint64(k) & np.uint64(1)).tolist() == filter_.true(columns).tolist(), filter_.source


def test_the_payments_make_rules_fire_and_lists_answer() -> None:
    """Guard: rules that fire nowhere would be equal for want of a true condition."""
    rule_set, columns = judged("rules")
    firing = [rule.name for rule in rule_set.rules if rule.when.true(columns).any()]
    assert len(firing) >= 8, firing
    assert any(columns.column(f"lists.{name}").any() for name in rule_set.lists)
