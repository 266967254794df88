"""The scanner writes what msgspec and `read_columns` write, to the bit, or flags the record.

Objects are drawn by the contract's own rules: as most publishers write them, and odd on purpose, with bytes changed.
`python -m benchmarks.scan_twin` compares millions of them. The last test is the guard: it fails where so few records
took the fast way that the twin was compared with itself.
"""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from fraudstream.engine.records import Record
from fraudstream.engine.scan.contract import PAYMENT
from tests.property.payment_texts import odd_payment, plain_payment
from tests.property.profile import EXAMPLES
from tests.property.scan_twin import compare, drawn_records, new_scanner, twin_columns

SCANNER = new_scanner()  # one for all examples, as in a worker: what it guesses from one record is tried on the next
RECORDS = 40


@EXAMPLES
@given(st.randoms(use_true_random=True))
def test_plain_payments_have_the_columns_of_the_twin(rng: random.Random) -> None:
    compare(SCANNER, drawn_records(rng, plain_payment, RECORDS))


@EXAMPLES
@given(st.randoms(use_true_random=True))
def test_odd_payments_have_the_columns_of_the_twin_or_are_flagged(rng: random.Random) -> None:
    compare(SCANNER, drawn_records(rng, odd_payment, RECORDS))


@EXAMPLES
@given(st.binary(max_size=200), st.binary(max_size=20))
def test_any_bytes_have_the_columns_of_the_twin_or_are_flagged(value: bytes, key: bytes) -> None:
    compare(SCANNER, [Record(0, 0, key, value, ()), Record(1, 0, key, b"{" + value + b"}", ())])


def test_every_prefix_of_a_payment_is_flagged() -> None:
    rng = random.Random(1)
    for key, value in (plain_payment(rng) for _ in range(5)):
        prefixes = [Record(i, 0, key, value[:i], ()) for i in range(len(value))]
        assert compare(SCANNER, prefixes).plain == 0


def test_most_valid_payments_take_the_fast_way() -> None:
    """Guard: at least half of those drawn odd, and three quarters of the others."""
    rng = random.Random(2)
    odd = compare(SCANNER, drawn_records(rng, odd_payment, 2_000))
    plain = compare(SCANNER, drawn_records(rng, plain_payment, 2_000))
    assert odd.plain > 0.5 * odd.valid > 250
    assert plain.plain > 0.75 * plain.valid > 1_000


def test_every_field_is_drawn_present_and_missing() -> None:
    """Guard: the twin's payments of the drawn records show every optional field with values and without."""
    _, columns = twin_columns(drawn_records(random.Random(3), plain_payment, 500))
    for rule in PAYMENT:
        present = [getattr(payment, rule.name) is not None for payment in columns.payments]
        assert any(present), rule.name
        assert all(present) == (rule.required or rule.name == "schema_version"), rule.name
