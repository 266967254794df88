"""The checksum is the same, whichever library computes it, and never a slow one in plain Python."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest
from aiokafka.record.util import calc_crc32c
from hypothesis import given
from hypothesis import strategies as st

from fraudstream.kafka.record_batch.checksum import crc32c, fastest


@given(st.binary(max_size=5_000))
def test_the_checksum_is_that_of_aiokafka(data: bytes) -> None:
    assert crc32c(data) == calc_crc32c(data)


def test_a_known_checksum() -> None:
    assert crc32c(b"123456789") == 0xE3069283, "the check value of CRC-32C"


def test_a_library_with_machine_code_is_used_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    def value(data: bytes) -> int:
        return 7

    for implementation, expected in (("c", value), ("python", calc_crc32c)):
        monkeypatch.setitem(sys.modules, "fast_crc", SimpleNamespace(implementation=implementation, value=value))
        assert fastest("fast_crc") is expected
    assert fastest("a_library_that_is_not_installed") is calc_crc32c
