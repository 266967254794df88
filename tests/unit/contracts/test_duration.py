"""Spans of time as people write and read them."""

from __future__ import annotations

import pytest

from fraudstream.contracts.duration import duration_text, parse_duration


@pytest.mark.parametrize(
    ("text", "span_ms"),
    [
        ("1ms", 1),
        ("90s", 90_000),
        ("15m", 900_000),
        ("24h", 86_400_000),
        ("30d", 2_592_000_000),
        (" 2w ", 1_209_600_000),
    ],
)
def test_a_duration_is_a_whole_number_and_a_unit(text: str, span_ms: int) -> None:
    assert parse_duration(text) == span_ms


@pytest.mark.parametrize("text", ["", "1", "h", "1.5h", "-1h", "1 h", "1y", "1H", "1h30m", "٣h", "9999999999s", "1h\0"])
def test_anything_else_is_answered_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration") as failure:
        parse_duration(text)
    assert str(failure.value) == (
        f"'{text}' is not a duration. Write a whole number and a unit, as in 90s, 15m, 24h, 30d, 2w."
    )


@pytest.mark.parametrize(
    ("span_ms", "text"),
    [
        (0, "0s"),
        (1, "1ms"),
        (1_001, "1s 1ms"),
        (60_000, "1m"),
        (3_600_001, "1h"),
        (90_061_000, "1d 1h"),
        (-60_000, "-1m"),
        (1_209_600_000, "14d"),
    ],
)
def test_a_span_is_told_in_its_two_largest_units(span_ms: int, text: str) -> None:
    assert duration_text(span_ms) == text
