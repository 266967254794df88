"""Keys are distinguished by all their bytes, whatever their hashes are; so are the values on lists."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fraudstream.engine import key_index
from fraudstream.engine.key_index import NO_ROW, KeyIndex
from fraudstream.engine.lists import ABSENT, FOR_EVER, Lists

KEYS = [f"payee-{number}" for number in range(40)]


@pytest.fixture
def equal_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every key gets the same hash, as if somebody had found keys that collide."""
    hash_keys = key_index._hash

    def hash_alike(buffer: Any, at: Any, length: Any, codes: Any, *rest: Any) -> int:
        total = hash_keys(buffer, at, length, codes, *rest)
        codes[:] = 7
        return total

    monkeypatch.setattr(key_index, "_hash", hash_alike)


@pytest.mark.usefixtures("equal_hashes")
def test_keys_with_one_hash_have_rows_of_their_own() -> None:
    index = KeyIndex()
    assert index.rows_of(KEYS).tolist() == list(range(40))
    assert index.rows_of(KEYS[::-1], add=False).tolist() == list(range(39, -1, -1))
    assert index.rows_of(["payee-40", "payee", "payee-1", None, ""], add=False).tolist() == [NO_ROW, NO_ROW, 1, -1, -1]


@pytest.mark.usefixtures("equal_hashes")
def test_a_value_is_on_a_list_only_by_its_exact_text() -> None:
    lists = Lists()
    for value in KEYS[:20]:
        lists.put("trusted_payees", value, None)
    found = lists.until_ms("trusted_payees", [*KEYS, None], np.zeros(41, np.int64))
    assert found.tolist() == [FOR_EVER] * 20 + [ABSENT] * 21


def test_keys_of_every_length_are_found_again() -> None:
    keys = ["x" * length for length in range(1, 70)] + ["é" * length for length in range(1, 20)] + ["a\0b", "\0"]
    index = KeyIndex()
    rows = index.rows_of(keys).tolist()
    assert rows == list(range(len(keys)))
    assert [index.key(row).decode() for row in rows] == keys
    assert index.rows_of(keys, add=False).tolist() == rows
    assert [int(index.rows_of([key], add=False)[0]) for key in keys] == rows
