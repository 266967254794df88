"""`score.yaml` with `kind: evidence`: what it may say, and what is wrong with one that may not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fraudstream.contracts.artefact import artefact_digest
from fraudstream.engine.fixed_log import ONE
from fraudstream.engine.learned_score.calibration import (
    FORMAT,
    Budget,
    CalibrationContent,
    Reference,
    Threshold,
    encode_calibration,
)
from fraudstream.engine.learned_score.definition import Doublings, FixedBins
from fraudstream.engine.learned_score.score_state import ScoreState, saved_part
from fraudstream.engine.learned_score.scorer import BASE, EvidenceScorer
from fraudstream.engine.rule_set import RuleSet, RuleSetErrors, compile_rule_set
from fraudstream.engine.state_difference import state_difference

FEATURES = """\
version: 1
entities: {account: {key: account_id, slots: 8}}
features:
  account.payments_1h: {aggregate: count, window: 1h}
"""
BURST = "{part: burst, value: account.payments_1h, bins: {from: 0, step: 1, count: 50}}"
RISK = "{part: risk, value: hour / 24, bins: {doublings_of: 0.001, neutral: 0.0051}, when: hour > 3}"
FLAG = "{part: present, value: card_present}"


def compiled(
    score: str, *, parts: str = BURST, artefacts: dict[str, bytes] | None = None, to_be_tuned: bool = False
) -> RuleSet:
    texts = {"features.yaml": FEATURES, "score.yaml": f"kind: evidence\nparts: [{parts}]\n{score}"}
    if artefacts:
        named = "\n".join(f"  {name}: {{digest: {artefact_digest(content)}}}" for name, content in artefacts.items())
        texts["artefacts.yaml"] = f"artefacts:\n{named}\n"
    contents = {artefact_digest(content): content for content in (artefacts or {}).values()}
    return compile_rule_set(texts, artefacts=contents, to_be_tuned=to_be_tuned)


def scorer_of(rule_set: RuleSet) -> EvidenceScorer:
    assert isinstance(rule_set.scorer, EvidenceScorer)
    return rule_set.scorer


def calibration(scorer: EvidenceScorer) -> bytes:
    state = ScoreState(scorer.arrays)
    parts = [saved_part(state.counts, part) for part in range(len(scorer.parts))]
    return encode_calibration(
        CalibrationContent(
            FORMAT,
            scorer.parts_digest,
            [part.name for part in scorer.parts],
            parts,
            state.totals(),
            10,
            0,
            1,
            [Threshold("alerts_per_day", 50, 123_456, 49.5, 0.5, 0.25)],
            Reference("score", [], [10], 0),
        )
    )


def test_parts_have_fixed_bins_doublings_or_two_for_a_flag() -> None:
    parts = scorer_of(compiled("threshold: 0.25", parts=f"{BURST}, {RISK}, {FLAG}")).parts
    assert [part.bins for part in parts] == [FixedBins(0, 1, 50), Doublings(0.001, 0.0051), FixedBins(0, 1, 2)]


def test_a_part_is_named_after_what_precedes_any_evidence() -> None:
    scorer = scorer_of(compiled("threshold: 0.25", parts=f"{BURST}, {RISK}"))
    assert list(scorer.inputs) == [BASE, "burst", "risk"]
    assert scorer.inputs["risk"] == {"hour"}
    assert (scorer.threshold_points, scorer.learns) == (250_000, True)


def test_the_guess_of_a_risk_is_nothing_at_its_neutral_value() -> None:
    guess = Doublings(0.001, 0.0051).guess  # 0.004 to 0.008 is the third bin
    assert (guess[2], guess[3]) == (0, 7 * ONE // 10)


def test_the_guess_of_a_rarity_begins_at_three_bits() -> None:
    guess = FixedBins(0, 1, 2).guess
    assert (guess[24], guess[32]) == (0, 35 * ONE // 100)
    assert (np.diff(guess) >= 0).all()


@pytest.mark.parametrize(
    ("score", "parts", "sentence"),
    [
        ("threshold: 2", BURST, "above 0, at most 1"),
        ("", BURST, "needs one of threshold or alerts_per_day or precision_floor, not none"),
        ("threshold: 0.5\nalerts_per_day: 5", BURST, "not threshold and alerts_per_day"),
        ("alerts_per_day: 5", BURST, "Run `fraudstream score tune`"),
        ("precision_floor: 1.5", BURST, "below 1"),
        ("threshold: 0.5\nlearning: maybe", BURST, "learning can't be 'maybe'"),
        ("threshold: 0.5\ncalibration: gone", BURST, "no artefact 'gone'"),
        ("threshold: 0.5\nfraud_share: 0.9", BURST, "between 0.000001 and 0.5"),
        ("threshold: 0.5\npull: 0.5", BURST, "whole number of frauds"),
        ("threshold: 0.5", "", "1 to 100"),
        ("threshold: 0.5", f"{BURST}, {BURST}", "another part 'burst'"),
        ("threshold: 0.5", "{part: a, value: hour}", "needs 'bins'"),
        ("threshold: 0.5", "{part: a, value: hour, bins: {from: 0}}", "'from' and 'step'"),
        ("threshold: 0.5", "{part: a, value: hour, bins: {from: 0, step: 0}}", "must be above 0"),
        ("threshold: 0.5", "{part: a, value: hour, bins: {from: 0, step: 1, count: 900}}", "2 to 200 bins"),
        ("threshold: 0.5", "{part: a, value: hour, bins: {doublings_of: 0.1}}", "have 'neutral'"),
        ("threshold: 0.5", "{part: a, value: hour, bins: {doublings_of: 1, neutral: 0.5}}", "above it"),
        ("threshold: 0.5", "{part: a, value: amount, bins: {from: 0, step: 1}}", "but a plain number"),
        ("threshold: 0.5", "{part: a, value: card_present, bins: {from: 0, step: 1}}", "true or false"),
        ("threshold: 0.5", "{part: base_rate, value: card_present}", "Choose another name"),
    ],
)
def test_a_fault_says_what_was_wrong(score: str, parts: str, sentence: str) -> None:
    with pytest.raises(RuleSetErrors) as raised:
        compiled(score, parts=parts)
    assert any(sentence in fault.sentence for fault in raised.value.faults), raised.value.faults


def test_a_budget_is_resolved_by_the_calibration() -> None:
    made = calibration(scorer_of(compiled("threshold: 0.5")))
    tuned = scorer_of(compiled("alerts_per_day: 50\ncalibration: tuned", artefacts={"tuned": made}))
    assert (tuned.threshold_points, tuned.budget) == (123_456, Budget("alerts_per_day", 50))
    with pytest.raises(RuleSetErrors, match="no calibration says which threshold gives alerts_per_day: 51"):
        compiled("alerts_per_day: 51\ncalibration: tuned", artefacts={"tuned": made})


def test_a_budget_needs_no_calibration_where_one_is_to_be_made() -> None:
    rule_set = compiled("alerts_per_day: 50\ncalibration: tuned\nlearning: off", to_be_tuned=True)
    assert scorer_of(rule_set).budget == Budget("alerts_per_day", 50)
    assert scorer_of(rule_set).learns


def test_a_calibration_of_other_parts_is_refused() -> None:
    made = calibration(scorer_of(compiled("threshold: 0.5", parts=FLAG)))
    with pytest.raises(RuleSetErrors, match="made for other parts"):
        compiled("threshold: 0.5\ncalibration: tuned", artefacts={"tuned": made})


def test_an_artefact_that_is_no_calibration_is_refused() -> None:
    with pytest.raises(RuleSetErrors, match="artefact 'tuned' is not a calibration"):
        compiled("threshold: 0.5\ncalibration: tuned", artefacts={"tuned": b"{}"})


def test_the_threshold_may_change_without_another_state_and_the_parts_may_not() -> None:
    one, other = compiled("threshold: 0.5"), compiled("threshold: 0.6")
    assert one.digest != other.digest
    assert state_difference(one, other, forwarded=False) is None
    assert "other parts" in str(state_difference(one, compiled("threshold: 0.5", parts=FLAG), forwarded=False))
    assert "in another way" in str(state_difference(one, compiled("threshold: 0.5\npull: 30"), forwarded=False))
    without = compile_rule_set({"features.yaml": FEATURES})
    assert "its score learns" in str(state_difference(without, one, forwarded=False))
    assert "its own does not" in str(state_difference(one, without, forwarded=False))


def test_the_calibration_is_part_of_the_digest() -> None:
    scorer = scorer_of(compiled("threshold: 0.5"))
    made = calibration(scorer)
    tuned = compiled("threshold: 0.5\ncalibration: tuned", artefacts={"tuned": made})
    fixed = compiled("threshold: 0.5\ncalibration: tuned\nlearning: off", artefacts={"tuned": made})
    assert len({scorer_of(tuned).layout, scorer_of(fixed).layout, scorer.layout}) == 3
    assert scorer_of(fixed).layout is None
    assert tuned.digest != fixed.digest
    assert replace(scorer, budget=None) == scorer
