"""The checksum is the same, whichever library computes it, and never a slow one in plain Python."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest
from aiokafka.record.util import calc_crc32c
from hypothesis import given
from hypothesis import strategies as st

from fraudstream.kafka.record_batch.checksum import by_aiokafka, crc32c, fastest

CHECK_INPUT, CHECK_VALUE = b"123456789", 0xE3069283  # published with CRC-32C


@given(st.binary(max_size=5_000), st.data())
def test_the_checksum_of_any_part_is_that_of_aiokafka(content: bytes, data: st.DataObject) -> None:
    begin = data.draw(st.integers(0, len(content)))
    end = data.draw(st.integers(begin, len(content)))
    for checksum in (crc32c, by_aiokafka):
        assert checksum(content, begin, end) == calc_crc32c(content[begin:end])
        assert checksum(content) == calc_crc32c(content)


def test_long_data_has_the_checksum_of_all_of_it() -> None:
    content = bytes(range(256)) * 1_000
    assert crc32c(content, 3) == by_aiokafka(content, 3) == calc_crc32c(content[3:])


def test_the_checksum_is_crc_32c() -> None:
    assert crc32c(CHECK_INPUT) == by_aiokafka(CHECK_INPUT) == CHECK_VALUE


def test_a_library_with_machine_code_is_used_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    for implementation, expected in (("c", 7), ("python", CHECK_VALUE)):
        library = SimpleNamespace(implementation=implementation, extend=None, value=lambda data: 7)
        monkeypatch.setitem(sys.modules, "fast_crc", library)
        assert fastest("fast_crc")(CHECK_INPUT) == expected
    assert fastest("a_library_that_is_not_installed") is by_aiokafka
