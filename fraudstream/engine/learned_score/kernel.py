"""Scores the payments of a log and learns from its payments and labels, one after the other, in one compiled walk."""

from __future__ import annotations

from fraudstream.compiled.jit import entry_point, jit
from fraudstream.engine.arrays import BoolArray, Float64Array, Int8Array, Int32Array, Int64Array, UInt8Array
from fraudstream.engine.learned_score.counts import DefinitionArrays, ScoreCounts
from fraudstream.engine.learned_score.evidence import count_code, count_label, evidence_of
from fraudstream.engine.learned_score.fixed_odds import points_of
from fraudstream.engine.learned_score.rarity import add_value, code_of
from fraudstream.engine.learned_score.weights import base_log_odds, learn_weights, weighted


@entry_point
def score_log(
    definition: DefinitionArrays,
    counts: ScoreCounts,
    learns: bool,
    points_max: int,
    payment: Int64Array,
    slot: Int64Array,
    label: Int8Array,
    before: Int8Array,
    value: Float64Array,
    counted: BoolArray,
    held: UInt8Array,
    code: UInt8Array,
    contribution: Int64Array,
    points: Int32Array,
) -> None:
    """Walk `e` events in the order of the log, `n` payments among them: score a payment by what precedes it, then count
    it; count a label by the codes that its payment had.

    `learns`: False leaves `counts` and `held` unchanged. `payment`: index of the payment, -1 for a label; int64, shape
    (e,). `slot`: row of `held` that is kept for the payment, -1 if none is; int64, shape (e,). `label`: of a label, 1
    genuine, 2 fraud; `before`: the label that it replaces, 0 if there is none, below 0 if it changes nothing; int8,
    shape (e,). `value`: of each part, NaN missing; float64, shape (parts, n). `counted`: the payments that are counted:
    not repeats; bool, shape (n,). `held`: codes of the payments that a label may still come for; uint8, shape (slots,
    parts).

    Output: `code`, uint8, shape (n, parts). `contribution`: log odds before any evidence, then what each part adds, in
    1/65,536 bits; int64, shape (n, parts + 1). `points`: of the sum; int32, shape (n,).
    """
    parts = len(counts.weight)
    assert len(value) == parts == code.shape[1] == contribution.shape[1] - 1, "sizes differ"
    assert len(payment) == len(slot) == len(label) == len(before), "sizes differ"
    assert value.shape[1] == len(counted) == len(code) == len(contribution) == len(points), "sizes differ"
    assert len(held) == 0 or held.shape[1] == parts, "sizes differ"
    for event in range(len(payment)):
        i, kept = payment[event], slot[event]
        assert kept < len(held), "a slot is out of range"
        if i >= 0:
            total = _score(definition, counts, value, i, code, contribution)
            points[i] = points_of(total, points_max)
            if learns and counted[i]:
                _count(definition, counts, value, code, i)
            if learns and kept >= 0:
                for part in range(parts):
                    held[kept, part] = code[i, part]
        elif learns and kept >= 0 and before[event] >= 0 and before[event] != label[event]:
            _learn(definition, counts, held[kept], int(label[event]), int(before[event]))


@jit
def _score(
    definition: DefinitionArrays,
    counts: ScoreCounts,
    value: Float64Array,
    i: int,
    code: UInt8Array,
    contribution: Int64Array,
) -> int:
    """Write codes and contributions of payment `i`; their sum."""
    total = base_log_odds(definition, counts)
    contribution[i, 0] = total
    for part in range(len(counts.weight)):
        found = code_of(definition, counts, part, value[part, i])
        code[i, part] = found
        adds = weighted(counts, part, evidence_of(definition, counts, part, found))
        contribution[i, part + 1] = adds
        total += adds
    return total


@jit
def _count(definition: DefinitionArrays, counts: ScoreCounts, value: Float64Array, code: UInt8Array, i: int) -> None:
    """Count the values and codes of payment `i`."""
    for part in range(len(counts.weight)):
        add_value(definition, counts, part, value[part, i])
        count_code(definition, counts, part, int(code[i, part]))


@jit
def _learn(definition: DefinitionArrays, counts: ScoreCounts, codes: UInt8Array, label: int, before: int) -> None:
    """Learn a label by the codes of its payment. One that corrects an earlier one takes its place in the counts; the
    step that the weights took stays taken."""
    learn_weights(definition, counts, codes, label - 1)
    for part in range(len(codes)):
        code = int(codes[part])
        if before > 0:
            count_label(definition, counts, part, code, before - 1, -1)
        count_label(definition, counts, part, code, label - 1, 1)
    if before > 0:
        counts.labels[before - 1] -= 1
    counts.labels[label - 1] += 1
