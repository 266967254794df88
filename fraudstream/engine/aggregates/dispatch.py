"""Which function answers each aggregate, by its id: the only compiled code that knows all aggregates."""

from __future__ import annotations

import numpy as np

from fraudstream.compiled.jit import jit
from fraudstream.engine.aggregates.count import COUNT, answer_count
from fraudstream.engine.aggregates.deviation import STD, answer_std
from fraudstream.engine.aggregates.distinct import DISTINCT, answer_distinct
from fraudstream.engine.aggregates.extremes import MAX, MIN, answer_max, answer_min
from fraudstream.engine.aggregates.first_seen import FIRST_SEEN, answer_first_seen
from fraudstream.engine.aggregates.last import LAST, answer_last
from fraudstream.engine.aggregates.median import MEDIAN, answer_median
from fraudstream.engine.aggregates.rarity import RARITY, answer_rarity
from fraudstream.engine.aggregates.risk import RISK, RISK_LAST, answer_risk, answer_risk_last
from fraudstream.engine.aggregates.share import SHARE, answer_share
from fraudstream.engine.aggregates.since_last import AGE, SINCE_LAST, answer_age, answer_since_last
from fraudstream.engine.aggregates.sums import MEAN, SUM, answer_mean, answer_sum
from fraudstream.engine.aggregates.travel import DISTANCE, SPEED, answer_distance, answer_speed
from fraudstream.engine.aggregates.z_score import Z_SCORE, answer_z_score
from fraudstream.engine.arena import Slots
from fraudstream.engine.arrays import Int64Array, UInt32Array
from fraudstream.engine.kernel_types import EXACT, Evicted, Panes, Query, Scratch


@jit
def answer(
    aggregate: int,
    query: Query,
    slots: Slots,
    panes: Panes,
    evicted: Evicted,
    last_ms: Int64Array,
    recent: UInt32Array,
    scratch: Scratch,
) -> tuple[float, int]:
    """One feature of one payment: its value, NaN if missing, in the unit of its type, and EXACT, PANE or AT_LEAST.

    `aggregate`: an id of the registry. `slots`, `panes`, `evicted`, `last_ms`, `recent`: of all rows of the entity,
    before the payment (`arena`); which entries count is in `query`. `scratch`: buffers that the call overwrites. Each
    answer function takes of these what it needs.
    """
    if aggregate == COUNT:
        return answer_count(query, slots, panes)
    if aggregate == SUM:
        return answer_sum(query, slots, panes)
    if aggregate == MEAN:
        return answer_mean(query, slots, panes)
    if aggregate == MIN:
        return answer_min(query, slots, panes)
    if aggregate == MAX:
        return answer_max(query, slots, panes)
    if aggregate == STD:
        return answer_std(query, slots, panes)
    if aggregate == DISTINCT:
        return answer_distinct(query, slots, scratch)
    if aggregate == SHARE:
        return answer_share(query, slots, panes)
    if aggregate == SINCE_LAST:
        return answer_since_last(query, slots, last_ms, evicted.uncorrected_ms)
    if aggregate == FIRST_SEEN:
        return answer_first_seen(query, slots, evicted)
    if aggregate == DISTANCE:
        return answer_distance(query, slots)
    if aggregate == SPEED:
        return answer_speed(query, slots)
    if aggregate == AGE:
        return answer_age(query)
    if aggregate == MEDIAN:
        return answer_median(query, slots, scratch)
    if aggregate == LAST:
        return answer_last(query, slots)
    if aggregate == Z_SCORE:
        return answer_z_score(query, slots, panes)
    if aggregate == RARITY:
        return answer_rarity(query, slots)
    if aggregate == RISK:
        return answer_risk(query, slots, panes)
    if aggregate == RISK_LAST:
        return answer_risk_last(query, recent)
    return np.nan, EXACT
