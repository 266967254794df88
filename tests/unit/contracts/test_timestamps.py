"""Times as text: what is written is read back, whatever the zone, and what is not a time is refused in a sentence."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fraudstream.contracts.timestamps import parse_utc_ms, utc_text


@given(st.integers(0, 7_258_118_399_999))
def test_a_time_in_milliseconds_is_read_back_from_its_text(at_ms: int) -> None:
    assert parse_utc_ms(utc_text(at_ms, "milliseconds")) == at_ms
    assert parse_utc_ms(utc_text(at_ms, "shortest")) == at_ms
    assert parse_utc_ms(utc_text(at_ms)) == at_ms // 1000 * 1000


@pytest.mark.parametrize("text", ["yesterday", "2027-13-01T00:00:00Z", "2027-01-01T00:00:00", ""])
def test_a_text_that_is_not_a_time_with_its_zone_is_refused_in_a_sentence(text: str) -> None:
    with pytest.raises(ValueError, match="is not a date and time with its zone in ISO 8601, such as"):
        parse_utc_ms(text)
