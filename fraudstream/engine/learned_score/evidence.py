"""What a part's code says about fraud: log2(P(code's bin | fraud) / P(code's bin | genuine)), by the labels so far.

Of a bin with f of F frauds and g of G genuine payments, drawn towards a guessed ratio r that counts as `pull` frauds:

    q = (g + 1) / (G + LABEL_BINS)
    evidence = log2((f + pull * q * r) / (F + pull) / q)

While more than a quarter of the labels are frauds, labels are no sample of the payments (a bank that reports frauds at
once and nothing else). Then g is unknown: the evidence of a rarity is the guess r, and a risk, a share of the labels,
has none.

Source: weight of evidence, Good, "Probability and the Weighing of Evidence", 1950, with additive smoothing.
"""

from __future__ import annotations

from typing import Final

from fraudstream.compiled.jit import entry_point, jit
from fraudstream.engine.fixed_log import ONE, log2_fixed
from fraudstream.engine.learned_score.counts import DOUBLINGS, LABEL_BINS, MISSING_CODE, DefinitionArrays, ScoreCounts
from fraudstream.engine.learned_score.fixed_odds import log2_of_sum
from fraudstream.engine.learned_score.rarity import label_bin

EVIDENCE_MAX: Final = 16 * ONE
GENUINE_A_FRAUD: Final = 3  # labels of genuine payments to each of a fraud, at least


@jit
def are_sample(counts: ScoreCounts) -> bool:
    """Whether the labels may be a sample of the payments: enough of them are genuine."""
    return bool(counts.labels[0] >= GENUINE_A_FRAUD * counts.labels[1])


@jit
def evidence_of(definition: DefinitionArrays, counts: ScoreCounts, part: int, code: int) -> int:
    """The evidence of a code in 1/65,536 bits, at most `EVIDENCE_MAX` either side of 0; of a missing value 0.

    Without a label it is the guess. While labels are no sample of the payments it is the guess, or 0 of a risk.
    """
    if code == MISSING_CODE:
        return 0
    if not are_sample(counts):
        if definition.kind[part] == DOUBLINGS:
            return 0
        return int(max(-EVIDENCE_MAX, min(definition.guess[part, code], EVIDENCE_MAX)))
    at = label_bin(definition, part, code)
    log_sum = definition.log_pull + definition.guess[part, code]
    if counts.labelled[1, part, at] > 0:
        log_sum = log2_of_sum(counts.bin_log_odds[part, at] + counts.part_logs[0, part], log_sum)
    found = log_sum - counts.part_logs[1, part]
    return int(max(-EVIDENCE_MAX, min(found, EVIDENCE_MAX)))


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
    frauds, genuine = counts.labelled[1, part, at], counts.labelled[0, part, at]
    if frauds > 0:
        counts.bin_log_odds[part, at] = log2_fixed(frauds) - log2_fixed(genuine + 1)


@jit
def _derive_part(definition: DefinitionArrays, counts: ScoreCounts, part: int) -> None:
    counts.part_logs[0, part] = log2_fixed(counts.of_part[0, part] + LABEL_BINS)
    counts.part_logs[1, part] = log2_fixed(counts.of_part[1, part] + definition.pull)
