"""An artefact is split into records of bounded size; it comes back whole and verified, or not at all."""

from __future__ import annotations

import msgspec
import pytest

from fraudstream.contracts import StoredArtefact
from fraudstream.contracts.artefact import PART_BYTES_MAX, artefact_content, artefact_digest, artefact_parts

CONTENT = bytes(range(256)) * 4_100  # three parts, the last one short


@pytest.mark.parametrize(
    ("size", "count"), [(0, 1), (1, 1), (PART_BYTES_MAX, 1), (PART_BYTES_MAX + 1, 2), (len(CONTENT), 3)]
)
def test_an_artefact_of_any_size_comes_back_as_it_was(size: int, count: int) -> None:
    parts = artefact_parts(CONTENT[:size])
    assert [(part.index, part.count) for part in parts] == [(index, count) for index in range(count)]
    assert artefact_content(reversed(parts)) == CONTENT[:size]


def test_a_record_of_an_artefact_is_far_below_the_topics_limit() -> None:
    assert max(len(msgspec.json.encode(part)) for part in artefact_parts(CONTENT)) < 1 << 20


def test_every_part_has_a_key_of_its_own_that_begins_with_the_artefacts() -> None:
    digest = artefact_digest(CONTENT)
    assert [part.key for part in artefact_parts(CONTENT)] == [f"artefact/{digest}/{i}".encode() for i in range(3)]


@pytest.mark.parametrize("missing", [0, 1, 2])
def test_an_artefact_with_a_missing_part_is_not_there(missing: int) -> None:
    assert artefact_content(part for part in artefact_parts(CONTENT) if part.index != missing) is None


def test_bytes_that_are_not_those_of_the_digest_are_not_the_artefact() -> None:
    first, *others = artefact_parts(CONTENT)
    assert artefact_content([msgspec.structs.replace(first, content=b"x" + first.content[1:]), *others]) is None
    assert artefact_content([]) is None


def test_parts_of_another_size_written_before_do_not_count() -> None:
    digest = artefact_digest(CONTENT)
    before = [StoredArtefact(digest, index, 5, b"of another release") for index in range(5)]
    assert artefact_content([*before, *artefact_parts(CONTENT)]) == CONTENT
