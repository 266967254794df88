"""The headers of our records. A record without them is a payment: publishers of payments need none."""

from __future__ import annotations

from typing import Final

TYPE_HEADER: Final = "type"  # what a record of the log is, where it is no payment
LABEL_HEADER: Final = (TYPE_HEADER, b"label")
SOURCE_HEADER: Final = "source"  # "partition:offset" that this record answers: readers drop what is not higher


def source_header(partition: int, offset: int) -> tuple[str, bytes]:
    return (SOURCE_HEADER, b"%d:%d" % (partition, offset))
