"""Compares the features that a stage forwarded with those that it forwards now."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import numpy as np

from fraudstream.engine.aggregates.code_tables import text_of_code
from fraudstream.engine.arena import NEVER
from fraudstream.engine.digest import DigestKey
from fraudstream.engine.expression import Type
from fraudstream.engine.forwarded_features import FeatureCodec
from fraudstream.engine.kernel_types import ALTERED, AT_LEAST, EXACT, FRESH, LATE, PANE, REPEAT, UNCORRECTED, UNMATCHED
from fraudstream.engine.plain_text import MISSING, plain

STATUS, ARRIVED, SINCE = "status", "arrived_at_ms", "since_ms"

_STATUS = {FRESH: "fresh", LATE: "late", REPEAT: "repeat", UNMATCHED: "unmatched", ALTERED: "altered repeat"}
_ERROR = {EXACT: "exact", PANE: "to the pane", AT_LEAST: "at least", UNCORRECTED: "uncorrected"}


class FeatureDifference(msgspec.Struct, frozen=True):
    """One value that differs. `feature`: its name, or `STATUS`, `ARRIVED` or `SINCE`. Both values as text."""

    feature: str
    forwarded: str
    now: str


def feature_differences(
    codec: FeatureCodec, forwarded: bytes, now: bytes, types: Mapping[str, Type], currency: str
) -> tuple[FeatureDifference, ...]:
    """The differences between two packed feature vectors of one payment. Values are equal by their bytes, or if both
    are missing.

    `codec`: decodes both. `types`: of the features, by name. `currency`: that its amounts are in. Raises
    `OtherFeatures`.
    """
    both = codec.unpack([forwarded, now])
    texts = {
        STATUS: [_STATUS.get(status, str(status)) for status in both.status.tolist()],
        ARRIVED: list(map(str, both.arrived_at_ms.tolist())),
        SINCE: ["never" if since_ms == NEVER else str(since_ms) for since_ms in both.since_ms.tolist()],
    }
    bits = both.value.view(np.int64)
    same_value = (bits[:, 0] == bits[:, 1]) | np.isnan(both.value).all(axis=1)
    same_error = both.error[:, 0] == both.error[:, 1]
    for row in np.flatnonzero(~(same_value & same_error)).tolist():
        name, values = codec.features[row], both.value[row].tolist()
        text_pair = [_text(value, types[name], currency, codec.digest_key) for value in values]
        if text_pair[0] == text_pair[1] and not same_value[row]:
            text_pair = list(map(repr, values))
        if not same_error[row]:
            errors = (_ERROR.get(error, str(error)) for error in both.error[row].tolist())
            text_pair = [f"{text} ({error})" for text, error in zip(text_pair, errors, strict=True)]
        texts[name] = text_pair
    return tuple(FeatureDifference(name, *pair) for name, pair in texts.items() if pair[0] != pair[1])


def _text(value: float, type_: Type, currency: str, digest_key: DigestKey) -> str:
    """A feature's value as text; a TEXT feature's is a code."""
    if type_ is Type.TEXT:
        return text_of_code(value, digest_key) or MISSING
    return plain(value, type_, currency)
