"""Corrupt responses drawn from seeds, and what the parser makes of them; run as a module it prints a digest of that.

NUMBA_DISABLE_JIT=1 python -m tests.unit.kafka.record_batch.seeded SEEDS
"""

from __future__ import annotations

import random
import struct
import sys
from hashlib import blake2b

from tests.unit.kafka.record_batch.aiokafkas import Outcome, by_aiokafka, by_parser
from tests.unit.kafka.record_batch.attacks import COMPRESS
from tests.unit.kafka.record_batch.drawn_batches import (
    ATTRIBUTES_AT,
    BASE,
    COUNT_AT,
    HEADER_BYTES,
    Drawn,
    batch_of,
    of_length,
)

_INSERTED = (b"", b"\x80", b"\xff" * 11, b"\xff" * 9 + b"\x01", b"\0" * 3, b"\x01", b"\xfe\xff\xff\xff\x0f")


def response(draw: random.Random) -> bytes:
    """Up to three batches, one of them corrupt, most often in few bytes."""
    batches = [batch_of(_records(draw, 4), BASE + 4 * k) for k in range(draw.randint(1, 3))]
    k = draw.randrange(len(batches))
    batches[k] = _corrupt(draw, batches[k])
    data = b"".join(batches)
    return data[: len(data) - draw.choice((0, 0, 0, 1, 40))]


def _records(draw: random.Random, count: int) -> list[Drawn]:
    def part() -> bytes | None:
        return draw.choice((None, b"", b"key", draw.randbytes(draw.choice((5, 63, 64, 200)))))

    headers = [("name", part()) for _ in range(draw.choice((0, 0, 1, 3)))]
    return [(draw.choice((0, 1, 2**40)), part(), part(), headers) for _ in range(count)]


def _corrupt(draw: random.Random, batch: bytes) -> bytes:
    header, body = bytearray(batch[:HEADER_BYTES]), bytearray(batch[HEADER_BYTES:])
    for _ in range(draw.choice((0, 1, 1, 1, 2))):
        at = draw.randrange(len(body))
        if draw.random() < 0.7:
            body[at] = draw.choice((0, 1, body[at] ^ 1 << draw.randrange(8), 0xFF, draw.randrange(256)))
        else:
            body[at : at + draw.choice((0, 1, 5))] = draw.choice(_INSERTED)
    if draw.random() < 0.2:
        struct.pack_into(">i", header, COUNT_AT, draw.choice((-1, 0, 3, 5, 2**31 - 1)))
    codec = draw.choice((0, 0, 0, 0, *COMPRESS))
    header[ATTRIBUTES_AT + 1] = codec | draw.choice((0, 0, 0x08))
    return of_length(bytes(header) + COMPRESS[codec](bytes(body)))


def agree(data: bytes) -> bool | None:
    """Whether the parser and aiokafka agree on a response; None where they may not."""
    expected = by_aiokafka(data, BASE)
    if isinstance(expected.error, UnicodeDecodeError):
        return None
    found = by_parser(data, BASE)
    if expected.failed:
        return found.failed and found.records == expected.records[: len(found.records)]
    return found == expected


def digest(seeds: range) -> str:
    """Of what the parser makes of the responses of these seeds."""
    found = blake2b(digest_size=16)
    for seed in seeds:
        found.update(repr(_plain(by_parser(response(random.Random(seed)), BASE))).encode())
    return found.hexdigest()


def _plain(outcome: Outcome) -> tuple[object, ...]:
    return [tuple(record) for record in outcome.records], int(outcome.next_offset), str(outcome.error)


if __name__ == "__main__":
    print(digest(range(int(sys.argv[1]))))
