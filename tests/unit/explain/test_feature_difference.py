"""Features that were forwarded and those forwarded now: compared by their bytes, shown in the reader's units."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fraudstream.engine.arena import NEVER
from fraudstream.engine.engine import Engine
from fraudstream.engine.forwarded_features import FeatureCodec, ForwardedFeatures, OtherFeatures
from fraudstream.engine.kernel_types import FRESH, PANE, REPEAT
from fraudstream.engine.rule_set import compile_rule_set
from fraudstream.explain.feature_difference import feature_differences

ROOT = Path(__file__).parents[3] / "examples/four_stages"
FOUR = {path.relative_to(ROOT).as_posix(): path.read_text() for path in sorted(ROOT.glob("**/*.yaml"))}
ENGINE = Engine(compile_rule_set(FOUR)).of_stage("account")
CODEC: FeatureCodec = ENGINE.codec_out
PLAIN: dict[str, Any] = {"arrived_at_ms": 1, "since_ms": NEVER, "status": FRESH, "unmatched": 0, "error": 0}


def packed(value: dict[str, float] | None = None, **other: Any) -> bytes:
    """A packed vector in which all other features are missing."""
    fields = {**PLAIN, **other}
    values = [[(value or {}).get(name, math.nan)] for name in CODEC.features]
    [one] = CODEC.pack(
        ForwardedFeatures(
            np.array([fields["arrived_at_ms"]], np.int64),
            np.array([fields["since_ms"]], np.int64),
            np.array([fields["status"]], np.int8),
            np.array([fields["unmatched"]], np.uint64),
            np.array(values, np.float64),
            np.full((len(values), 1), fields["error"], np.int8),
        )
    ).present()
    return one


def differences(forwarded: bytes, now: bytes) -> list[tuple[str, str, str]]:
    found = feature_differences(CODEC, forwarded, now, ENGINE.rule_set.catalogue.symbols, "EUR")
    return [(difference.feature, difference.forwarded, difference.now) for difference in found]


def test_the_same_bytes_differ_in_nothing_and_missing_equals_missing() -> None:
    assert differences(packed(), packed()) == []
    other_nan = packed().replace(np.float64(math.nan).tobytes(), np.array([-1], np.int64).tobytes())
    assert other_nan != packed()
    assert differences(packed(), other_nan) == []


@pytest.mark.parametrize(
    ("forwarded", "now", "sentence"),
    [
        ({"account.payments_1h": 3.0}, {"account.payments_1h": 2.0}, ("account.payments_1h", "3", "2")),
        ({"account.credited_24h": 1250.0}, {}, ("account.credited_24h", "12.50 EUR", "missing")),
        ({"account.new_device": 1.0}, {"account.new_device": 0.0}, ("account.new_device", "true", "false")),
        (
            {"account.amount_mean_30d": 1250.25},
            {"account.amount_mean_30d": 1250.0},
            ("account.amount_mean_30d", "1250.25", "1250.0"),
        ),
    ],
)
def test_a_value_is_shown_in_its_unit_or_exactly_where_that_hides_the_difference(
    forwarded: dict[str, float], now: dict[str, float], sentence: tuple[str, str, str]
) -> None:
    assert differences(packed(forwarded), packed(now)) == [sentence]


def test_the_accuracy_of_a_value_is_compared_too() -> None:
    one, other = packed(), packed(error=PANE)
    assert differences(one, other)[0] == (CODEC.features[0], "missing (exact)", "missing (to the pane)")
    assert len(differences(one, other)) == len(CODEC.features)


def test_status_and_times_beside_the_features_are_compared_too() -> None:
    now = packed(status=REPEAT, arrived_at_ms=2, since_ms=7)
    assert differences(packed(), now) == [
        ("status", "fresh", "repeat"),
        ("arrived_at_ms", "1", "2"),
        ("since_ms", "never", "7"),
    ]


def test_features_of_another_catalogue_are_rejected() -> None:
    with pytest.raises(OtherFeatures):
        differences(packed(), packed()[:-1])
