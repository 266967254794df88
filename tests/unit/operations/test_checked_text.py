"""Texts that people enter, checked before they are published."""

from __future__ import annotations

import pytest

from fraudstream.operations.checked_text import check_identifier, check_possible
from fraudstream.operations.errors import InvalidValueError


@pytest.mark.parametrize("value", ["", "a" * 129, "a\nb", "a\x7f", "a\x85"])
def test_an_identifier_that_no_topic_takes_is_refused(value: str) -> None:
    with pytest.raises(InvalidValueError, match="no control characters"):
        check_identifier(value, "actor")


@pytest.mark.parametrize(
    ("value", "field", "sentence"),
    [
        ("de", "country", "VALUE 'de' would match no payment: country 'de' is not a country of ISO 3166-1 alpha-2"),
        ("541", "mcc", "VALUE '541' would match no payment: mcc must have at least 4 characters: it is four digits"),
        ("fax", "channel", "channel can't be 'fax'"),
        ("a\tb", "device_id", "holds a control character"),
    ],
)
def test_a_value_that_no_payment_has_is_not_put_on_a_list(value: str, field: str, sentence: str) -> None:
    with pytest.raises(InvalidValueError) as refused:
        check_possible(value, field)
    assert sentence in refused.value.sentence


@pytest.mark.parametrize(
    ("value", "field"), [("DE", "country"), ("5411", "mcc"), ("dev-8", "device_id"), ("de", "attributes.home")]
)
def test_a_value_that_a_payment_can_have_is_put_on_a_list(value: str, field: str) -> None:
    assert check_possible(value, field) == value
