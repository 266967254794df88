"""What was carried and what is handed on now: equal by the bytes of values, told in a reader's units."""

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
FORM: FeatureCodec = ENGINE.codec_out
PLAIN: dict[str, Any] = {"arrived_at_ms": 1, "since_ms": NEVER, "status": FRESH, "error": 0}


def packed(value: dict[str, float] | None = None, **other: Any) -> bytes:
    """Every feature missing but these."""
    fields = {**PLAIN, **other}
    values = [[(value or {}).get(name, math.nan)] for name in FORM.features]
    [one] = FORM.pack(
        ForwardedFeatures(
            np.array([fields["arrived_at_ms"]], np.int64),
            np.array([fields["since_ms"]], np.int64),
            np.array([fields["status"]], np.int8),
            np.array(values, np.float64),
            np.full((len(values), 1), fields["error"], np.int8),
        )
    )
    return one


def told(forwarded: bytes, now: bytes) -> list[tuple[str, str, str]]:
    found = feature_differences(FORM, forwarded, now, ENGINE.rule_set.catalogue.symbols, "EUR")
    return [(difference.feature, difference.forwarded, difference.now) for difference in found]


def test_the_same_bytes_differ_in_nothing_and_missing_equals_missing() -> None:
    assert told(packed(), packed()) == []
    other_nan = packed().replace(np.float64(math.nan).tobytes(), np.array([-1], np.int64).tobytes())
    assert other_nan != packed()
    assert told(packed(), other_nan) == []


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
def test_a_value_is_told_in_its_unit_or_exactly_where_that_hides_it(
    forwarded: dict[str, float], now: dict[str, float], sentence: tuple[str, str, str]
) -> None:
    assert told(packed(forwarded), packed(now)) == [sentence]


def test_how_a_value_was_answered_is_compared_too() -> None:
    one, other = packed(), packed(error=PANE)
    assert told(one, other)[0] == (FORM.features[0], "missing (exact)", "missing (to the pane)")
    assert len(told(one, other)) == len(FORM.features)


def test_what_is_carried_beside_the_features_is_compared_too() -> None:
    now = packed(status=REPEAT, arrived_at_ms=2, since_ms=7)
    assert told(packed(), now) == [
        ("status", "fresh", "repeat"),
        ("arrived_at_ms", "1", "2"),
        ("since_ms", "never", "7"),
    ]


def test_features_of_another_catalogue_are_refused() -> None:
    with pytest.raises(OtherFeatures):
        told(packed(), packed()[:-1])
