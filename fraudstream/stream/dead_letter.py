"""A dead letter as it leaves the worker."""

from __future__ import annotations

import msgspec

from fraudstream.contracts import DeadLetter
from fraudstream.contracts.headers import source_header
from fraudstream.stream.outputs import OutputRecord

_encode = msgspec.json.Encoder().encode


def output_record(letter: DeadLetter) -> OutputRecord:
    """The dead letter as a record, under the key of the record it holds."""
    return letter.key, _encode(letter), [source_header(letter.partition, letter.offset)]
