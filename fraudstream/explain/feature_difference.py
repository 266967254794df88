"""Where what a stage hands on now differs from what it handed on then, feature by feature."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import numpy as np

from fraudstream.engine.arena import NEVER
from fraudstream.engine.expression import Type
from fraudstream.engine.forwarded_features import FeatureCodec
from fraudstream.engine.kernel_types import ALTERED, AT_LEAST, EXACT, FRESH, LATE, PANE, REPEAT, UNMATCHED
from fraudstream.engine.plain_text import plain

STATUS, ARRIVED, SINCE = "status", "arrived_at_ms", "since_ms"

_STATUS = {FRESH: "fresh", LATE: "late", REPEAT: "repeat", UNMATCHED: "unmatched", ALTERED: "altered repeat"}
_ERROR = {EXACT: "exact", PANE: "to the pane", AT_LEAST: "at least"}


class FeatureDifference(msgspec.Struct, frozen=True):
    """`feature`: its name, or `STATUS`, `ARRIVED` or `SINCE`. Both values as text."""

    feature: str
    forwarded: str
    now: str


def feature_differences(
    form: FeatureCodec, forwarded: bytes, now: bytes, types: Mapping[str, Type], currency: str
) -> tuple[FeatureDifference, ...]:
    """Of one payment, packed twice. Values are equal by their bytes, or if both are missing.

    `types`: of the features, by name; `currency`: the payment's. Raises `OtherFeatures`.
    """
    both = form.unpack([forwarded, now])
    texts = {
        STATUS: [_STATUS.get(status, str(status)) for status in both.status.tolist()],
        ARRIVED: list(map(str, both.arrived_at_ms.tolist())),
        SINCE: ["never" if since_ms == NEVER else str(since_ms) for since_ms in both.since_ms.tolist()],
    }
    bits = both.value.view(np.int64)
    same_value = (bits[:, 0] == bits[:, 1]) | np.isnan(both.value).all(axis=1)
    same_error = both.error[:, 0] == both.error[:, 1]
    for row in np.flatnonzero(~(same_value & same_error)).tolist():
        name, values = form.features[row], both.value[row].tolist()
        told = [plain(value, types[name], currency) for value in values]
        if told[0] == told[1] and not same_value[row]:
            told = list(map(repr, values))
        if not same_error[row]:
            errors = (_ERROR.get(error, str(error)) for error in both.error[row].tolist())
            told = [f"{text} ({error})" for text, error in zip(told, errors, strict=True)]
        texts[name] = told
    return tuple(FeatureDifference(name, *pair) for name, pair in texts.items() if pair[0] != pair[1])
