"""The parser gives what aiokafka's gives, for every response that a broker may send and for corrupt ones."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fraudstream.engine.records import Records
from fraudstream.kafka.record_batch.parse import OldFormat, UnreadableBatch, parse
from tests.unit.kafka.record_batch.aiokafkas import TP, by_aiokafka, by_parser
from tests.unit.kafka.record_batch.attacks import COMPRESS, attacked
from tests.unit.kafka.record_batch.drawn_batches import (
    ATTRIBUTES_AT,
    BASE,
    CODECS,
    COUNT_AT,
    CRC_AT,
    HEADER_BYTES,
    LENGTH_AT,
    TRANSACTIONAL,
    Drawn,
    Response,
    batch_of,
    marker,
    of_length,
    responses,
    with_checksum,
)

RECORD: Drawn = (5, b"key", b"value", [("name", b"header")])
MAGIC_AT = 16


@settings(max_examples=200)
@given(responses(), st.integers(-2, 12), st.booleans())
def test_a_response_gives_the_records_that_aiokafka_reads_from_it(
    response: Response, begin: int, committed: bool
) -> None:
    data = response.data(BASE + begin)
    expected = by_aiokafka(data, BASE + begin, response.aborted, committed)
    assert not expected.failed
    assert by_parser(data, BASE + begin, response.aborted, committed) == expected


@settings(max_examples=500)
@given(responses(), st.data())
def test_a_corrupt_batch_fails_where_it_fails_with_aiokafka_and_nothing_before_it_is_lost(
    response: Response, data: st.DataObject
) -> None:
    plain = [k for k, batch in enumerate(response.batches) if not batch[ATTRIBUTES_AT + 1] & 7]
    if not plain:
        return
    k = data.draw(st.sampled_from(plain))
    response.batches[k] = data.draw(attacked(response.batches[k]))
    expected = by_aiokafka(response.data(), BASE, response.aborted)
    if isinstance(expected.error, UnicodeDecodeError):
        return  # the name of a header is no UTF-8: aiokafka fails there, and the parser does not
    found = by_parser(response.data(), BASE, response.aborted)
    assert found.failed == expected.failed, expected.error
    assert found.records == expected.records[: len(found.records)]
    if expected.failed:
        before = by_aiokafka(b"".join(response.batches[:k]), BASE, response.aborted)
        assert found.records[: len(before.records)] == before.records
    else:
        assert found == expected


@settings(max_examples=100)
@given(st.sampled_from((1, 2, 3, 4)), st.lists(st.just(RECORD), min_size=1, max_size=20), st.data())
def test_changed_compressed_bytes_give_the_records_or_an_error_as_with_aiokafka(
    codec: int, records: list[Drawn], data: st.DataObject
) -> None:
    batch = bytearray(batch_of(records, codec=codec))
    at = data.draw(st.integers(HEADER_BYTES, len(batch) - 1))
    batch[at] ^= data.draw(st.integers(1, 255))
    expected, found = by_aiokafka(with_checksum(batch), BASE), by_parser(with_checksum(batch), BASE)
    if isinstance(expected.error, UnicodeDecodeError):
        return
    if codec != 1:  # gzip: two libraries, one of which checks more of the header
        assert found.failed == expected.failed
    assert found.failed or expected.failed or found == expected


@pytest.mark.parametrize("codec", CODECS)
def test_every_codec_is_read(codec: int) -> None:
    found = parse(batch_of([RECORD] * 50, codec=codec), BASE, TP)
    assert [record.value for record in Records(found.buffer, found.spans)] == [b"value"] * 50
    assert found.next_offset == BASE + 50


def test_snappy_is_read_as_one_block_as_well_as_in_the_blocks_of_javas_clients() -> None:
    framed = batch_of([(5, b"key", bytes(100_000), [])] * 2, codec=2)
    assert framed[HEADER_BYTES:].startswith(b"\x82SNAPPY")
    plain = bytearray(batch_of([(5, b"key", bytes(100_000), [])] * 2))
    plain[ATTRIBUTES_AT + 1] = 2
    raw = of_length(plain[:HEADER_BYTES] + COMPRESS[2](bytes(plain[HEADER_BYTES:])))
    for batch in (framed, raw):
        assert [len(record.value or b"") for record in by_parser(batch, BASE).records] == [100_000] * 2


@pytest.mark.parametrize("size", [-1, 0, 1])
def test_a_block_of_snappy_with_a_wrong_length_is_unreadable(size: int) -> None:
    batch = bytearray(batch_of([RECORD], codec=2))
    struct.pack_into(">i", batch, HEADER_BYTES + 16, size)
    with pytest.raises(UnreadableBatch, match="is no snappy data"):
        parse(with_checksum(batch), BASE, TP)


def test_empty_keys_and_values_differ_from_missing_ones() -> None:
    found = by_parser(batch_of([(1, b"", None, []), (1, None, b"", [])]), BASE)
    assert [(record.key, record.value) for record in found.records] == [(b"", None), (None, b"")]


def test_an_aborted_transaction_is_left_out_and_the_next_of_its_producer_is_not() -> None:
    data = b"".join(
        (
            batch_of([RECORD], BASE, attributes=TRANSACTIONAL, producer=7),
            batch_of([RECORD], BASE + 1, attributes=TRANSACTIONAL, producer=8),
            marker(BASE + 2, 7, committed=False),
            batch_of([RECORD], BASE + 3, attributes=TRANSACTIONAL, producer=7),
            marker(BASE + 4, 7, committed=True),
        )
    )
    found = by_parser(data, BASE, [(7, BASE)])
    assert [record.offset for record in found.records] == [BASE + 1, BASE + 3]
    assert found.next_offset == BASE + 5, "the position is after the last marker"
    assert len(by_parser(data, BASE, [(7, BASE)], committed=False).records) == 3


def test_a_header_that_is_no_utf8_is_readable_and_stops_nobody() -> None:
    batch = batch_of([RECORD]).replace(b"name", b"n\xff\xfee")
    (record,) = by_parser(with_checksum(batch), BASE).records
    assert record.headers == (("n\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}e", b"header"),)


def test_a_wrong_checksum_is_refused_and_named() -> None:
    batch = bytearray(batch_of([RECORD]))
    batch[CRC_AT] ^= 1
    with pytest.raises(UnreadableBatch) as refused:
        parse(bytes(batch), BASE, TP)
    assert str(refused.value) == (
        "payments-3: the record batch at offset 1000 does not match its checksum. Check the disk and the network of "
        "the partition's leader. If the batch stays unreadable, move the beginning of the log behind it with "
        "kafka-delete-records.sh; the records in it are lost."
    )


@pytest.mark.parametrize("codec", CODECS[1:])
def test_a_batch_that_becomes_too_large_is_refused(codec: int) -> None:
    batch = batch_of([(5, b"key", bytes(1 << 20), [])], codec=codec)
    with pytest.raises(UnreadableBatch, match=r"payments-3: .* at offset 1000 takes more than 1,000,000 bytes when"):
        parse(batch, BASE, TP, decompressed_max=1_000_000)
    assert parse(batch, BASE, TP, decompressed_max=1 << 21).next_offset == BASE + 1


def test_batches_that_are_too_large_together_are_read_in_several_fetches() -> None:
    data = b"".join(batch_of([(5, b"key", bytes(1 << 20), [])], BASE + k, codec=4) for k in range(3))
    first = parse(data, BASE, TP, decompressed_max=5 << 19)
    assert first.next_offset == BASE + 2
    second = parse(data[2 * len(data) // 3 :], BASE + 2, TP, decompressed_max=5 << 19)
    assert second.spans.offset.tolist() == [BASE + 2]


def test_a_batch_in_an_older_format_is_left_to_aiokafka() -> None:
    new, old = batch_of([RECORD]), bytearray(batch_of([RECORD], BASE + 1))
    old[MAGIC_AT] = 1
    with pytest.raises(OldFormat):
        parse(bytes(old), BASE + 1, TP)
    assert parse(new + bytes(old), BASE, TP).next_offset == BASE + 1


def test_a_batch_in_a_newer_format_is_refused() -> None:
    batch = bytearray(batch_of([RECORD]))
    batch[MAGIC_AT] = 3
    with pytest.raises(UnreadableBatch, match="newer than version 2"):
        parse(bytes(batch), BASE, TP)


@pytest.mark.parametrize("length", [-(2**31), -12, -1, 0, 13, 48])
def test_a_batch_shorter_than_its_header_is_refused(length: int) -> None:
    batch = bytearray(batch_of([RECORD]))
    struct.pack_into(">i", batch, LENGTH_AT, length)
    with pytest.raises(UnreadableBatch, match="shorter than its own header"):
        parse(bytes(batch), BASE, TP)


@pytest.mark.parametrize("body", [b"\0", b"\x0a" + bytes(5)])
def test_a_record_too_short_for_its_lengths_is_refused_and_changes_no_record_before_it(body: bytes) -> None:
    """Its spans were written behind the end of the array, which no record of that size can need."""
    header = bytearray(batch_of([RECORD], BASE + 1)[:HEADER_BYTES])
    found = by_parser(batch_of([RECORD]) + of_length(header + body), BASE)
    assert found.failed
    assert [(record.offset, record.timestamp) for record in found.records] == [(BASE, 5)]


def test_a_response_cut_anywhere_gives_its_whole_batches() -> None:
    first, second = batch_of([RECORD] * 2), batch_of([RECORD] * 2, BASE + 2)
    for size in range(len(first) + len(second)):
        found = parse((first + second)[:size], BASE, TP)
        assert len(found.spans.offset) == (0 if size < len(first) else 2)


@pytest.mark.parametrize("count", [-1, 0])
def test_a_batch_that_compaction_emptied_moves_the_position(count: int) -> None:
    batch = bytearray(batch_of([RECORD])[:HEADER_BYTES])
    struct.pack_into(">i", batch, COUNT_AT, count)
    found = parse(of_length(batch), BASE, TP)
    assert (len(found.spans.offset), found.next_offset) == (0, BASE + 1)


def test_a_control_batch_without_a_marker_is_refused() -> None:
    for key in (None, b"", b"\0"):
        batch = batch_of([(0, key, b"", [])], attributes=0x30, producer=7)
        with pytest.raises(UnreadableBatch, match="holds no marker"):
            parse(batch, BASE, TP)
        assert by_aiokafka(batch, BASE).failed
