"""What a part's code says about fraud: log2(P(code's bin | fraud) / P(code's bin | no fraud)), by the labels so far.

A payment is presumed genuine until it is labelled a fraud: frauds are reported within days, and what is genuine becomes
known weeks later or never, so labels of genuine payments are of another time than those of frauds. Of a bin with n of N
payments and f of F labelled frauds, drawn towards a guessed ratio r that counts as `pull` frauds:

    q = (n - f + 1) / (N - F + LABEL_BINS)
    evidence = log2((f + pull * q * r) / (F + pull) / q)

Source: weight of evidence, Good, "Probability and the Weighing of Evidence", 1950, with additive smoothing.
"""

from __future__ import annotations

from typing import Final

from fraudstream.compiled.jit import entry_point, jit
from fraudstream.engine.fixed_log import ONE, log2_fixed
from fraudstream.engine.learned_score.counts import LABEL_BINS, MISSING_CODE, DefinitionArrays, ScoreCounts
from fraudstream.engine.learned_score.fixed_odds import log2_of_sum
from fraudstream.engine.learned_score.rarity import label_bin

EVIDENCE_MAX: Final = 16 * ONE
ONE_LABELLED_IN: Final = 4  # payments, at least


@jit
def are_sample(counts: ScoreCounts) -> bool:
    """Whether labels are taken for a sample of the payments: a quarter of all payments, or more, is labelled."""
    payments = 0  # a part may be missing in most
    for part in range(len(counts.of_codes)):
        payments = max(payments, counts.of_codes[part])
    return bool((counts.labels[0] + counts.labels[1]) * ONE_LABELLED_IN >= payments)


@jit
def evidence_of(definition: DefinitionArrays, counts: ScoreCounts, part: int, code: int) -> int:
    """The evidence of a code in 1/65,536 bits, at most `EVIDENCE_MAX` either side of 0; of a missing value 0.

    Without a label it is the guess.
    """
    if code == MISSING_CODE:
        return 0
    at = label_bin(definition, part, code)
    log_sum = definition.log_pull + definition.guess[part, code]
    if counts.labelled[1, part, at] > 0:
        log_sum = log2_of_sum(counts.bin_log_odds[part, at] + counts.part_logs[0, part], log_sum)
    found = log_sum - counts.part_logs[1, part]
    return int(max(-EVIDENCE_MAX, min(found, EVIDENCE_MAX)))


@jit
def count_code(definition: DefinitionArrays, counts: ScoreCounts, part: int, code: int) -> None:
    """Count a payment by its code."""
    if code == MISSING_CODE:
        return
    at = label_bin(definition, part, code)
    counts.coded[part, at] += 1
    counts.of_codes[part] += 1
    _derive_bin(counts, part, at)
    _derive_others(counts, part)


@jit
def count_label(
    definition: DefinitionArrays, counts: ScoreCounts, part: int, code: int, label: int, times: int
) -> None:
    """Count a label by the code that its payment had. `label`: 0 genuine, 1 fraud. `times`: 1; -1 to take it back."""
    if code == MISSING_CODE:
        return
    at = label_bin(definition, part, code)
    counts.labelled[label, part, at] += times
    counts.of_part[label, part] += times
    if label == 1:  # evidence does not read how many payments were labelled genuine
        _derive_bin(counts, part, at)
        _derive_part(definition, counts, part)


@entry_point
def derive(definition: DefinitionArrays, counts: ScoreCounts) -> None:
    """Make what is derived from the counts."""
    for part in range(len(counts.weight)):
        _derive_part(definition, counts, part)
        for at in range(LABEL_BINS):
            _derive_bin(counts, part, at)


@jit
def _derive_bin(counts: ScoreCounts, part: int, at: int) -> None:
    frauds = counts.labelled[1, part, at]
    if frauds > 0:  # more than the payments where some were late, and so not counted
        counts.bin_log_odds[part, at] = log2_fixed(frauds) - log2_fixed(max(0, counts.coded[part, at] - frauds) + 1)


@jit
def _derive_part(definition: DefinitionArrays, counts: ScoreCounts, part: int) -> None:
    _derive_others(counts, part)
    counts.part_logs[1, part] = log2_fixed(counts.of_part[1, part] + definition.pull)


@jit
def _derive_others(counts: ScoreCounts, part: int) -> None:
    others = max(0, counts.of_codes[part] - counts.of_part[1, part])
    counts.part_logs[0, part] = log2_fixed(others + LABEL_BINS)
