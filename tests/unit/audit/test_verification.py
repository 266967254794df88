"""What a changed, removed, moved or cut-off record of the audit log is reported as."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import pytest

from fraudstream.audit.chain import HEADS_WITHIN, heads_of
from fraudstream.audit.verification import Verification
from fraudstream.contracts.audit_record import ChainHead
from tests.unit.audit.logs import chain_of

FIRST = chain_of("first", 6)
LOG = FIRST + chain_of("second", 4, *heads_of(FIRST))


def verified(values: Sequence[bytes], first_offset: int = 0, expected: Sequence[ChainHead] = ()) -> Verification:
    verification = Verification(is_whole=first_offset == 0, expected=expected)
    for number, value in enumerate(values):
        verification.add(first_offset + number, value)
    verification.finish()
    return verification


def faults(values: Sequence[bytes], first_offset: int = 0) -> list[tuple[str, str | None, int]]:
    return [fault[:3] for fault in verified(values, first_offset).faults]


def without(*offsets: int) -> list[bytes]:
    return [value for offset, value in enumerate(LOG) if offset not in offsets]


def test_an_untouched_log_has_no_fault() -> None:
    found = verified(LOG)
    assert (found.faults, found.records, list(found.chains)) == ([], 10, ["first", "second"])
    assert [chain.last_sequence for chain in found.chains.values()] == [5, 3]


@pytest.mark.parametrize("offset", range(5))
def test_one_changed_byte_is_reported_at_its_offset(offset: int) -> None:
    value = LOG[offset].replace(b'"ann"', b'"bob"')
    assert faults([*LOG[:offset], value, *LOG[offset + 1 :]]) == [("changed", "first", offset)]


def test_the_last_record_of_a_chain_cannot_be_changed_either_as_the_next_chain_names_it() -> None:
    value = LOG[5].replace(b'"ann"', b'"bob"')
    assert faults([*LOG[:5], value, *LOG[6:]]) == [("changed", "first", 6)]


def test_any_flipped_bit_before_the_last_record_is_found() -> None:
    chance = random.Random(7)
    for _ in range(300):
        offset = chance.randrange(len(LOG) - 1)
        place, bit = chance.randrange(len(LOG[offset])), 1 << chance.randrange(8)
        value = bytearray(LOG[offset])
        value[place] ^= bit
        assert faults([*LOG[:offset], bytes(value), *LOG[offset + 1 :]]), (offset, place, bit)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (without(2), [("gap", "first", 2)]),
        (without(2, 3), [("gap", "first", 2)]),
        (without(0), [("no_start", "first", 0)]),
        (without(5), [("end_missing", "first", 5)]),
        (without(3, 4, 5), [("end_missing", "first", 3)]),
        (without(0, 1, 2, 3, 4, 5), [("end_missing", "first", 0)]),
        ([*LOG[:2], LOG[3], LOG[2], *LOG[4:]], [("gap", "first", 2), ("reordered", "first", 3)]),
        ([*LOG[:3], LOG[2], *LOG[3:]], [("reordered", "first", 3)]),
        ([*LOG[:2], b"{", *LOG[3:]], [("unreadable", None, 2), ("gap", "first", 3)]),
    ],
)
def test_what_is_removed_moved_or_repeated_is_reported(
    values: list[bytes], expected: list[tuple[str, str | None, int]]
) -> None:
    assert faults(values) == expected


def test_a_log_whose_oldest_records_are_past_retention_begins_in_the_middle() -> None:
    assert faults(LOG[3:], first_offset=3) == []
    assert faults(LOG[6:], first_offset=6) == []  # the chain that is named is gone as a whole


def test_retention_explains_the_beginning_alone() -> None:
    filler = chain_of("filler", HEADS_WITHIN)
    assert faults([*LOG[3:6], *filler, *chain_of("late", 2)[1:]], first_offset=3) == [
        ("no_start", "late", 3 + 3 + HEADS_WITHIN)
    ]


def test_two_writers_at_once_are_two_sound_chains() -> None:
    one, other = chain_of("one", 3), chain_of("other", 3)
    assert faults([one[0], other[0], other[1], one[1], one[2], other[2]]) == []


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda values: values, []),
        (lambda values: values[:-1], [("end_missing", "second", -1)]),
        (lambda values: chain_of("forged", 10), [("end_missing", "second", -1)]),
        (lambda values: [*values[:-1], values[-1].replace(b'"ann"', b'"bob"')], [("changed", "second", 9)]),
    ],
)
def test_a_head_that_was_noted_must_be_there_later(
    change: Callable[[list[bytes]], list[bytes]], expected: list[tuple[str, str | None, int]]
) -> None:
    noted = verified(LOG).chains["second"].head
    assert [fault[:3] for fault in verified(change(LOG), expected=[noted]).faults] == expected
