"""Records as aiokafka's parser, in C, gives them.

aiokafka makes another object of each, in Python, with the names of its topic and partition and the sizes of its parts:
half of what fetching costs. A list's records have topic and partition in common, and nobody asks for the sizes.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, Protocol

from faust.types import TP

from fraudstream.engine.apply import LogRecord


class FetchedRecord(LogRecord, Protocol):
    """A record of a list: what it is made of, and where it stands in its partition."""

    @property
    def offset(self) -> int: ...


class PrefetchedRecords(OrderedDict[TP, Any]):
    """What aiokafka's fetcher has at hand of each partition, in place of its own: records are taken as they are."""

    def __setitem__(self, tp: TP, result: Any) -> None:
        records = getattr(result, "_partition_records", None)
        if records is not None:  # else it holds an error
            records._consumer_record = _as_it_is
        super().__setitem__(tp, result)


def use_raw_records(fetcher: Any) -> None:
    """Let an aiokafka fetcher make nothing else of the records it parses."""
    if not isinstance(fetcher._records, PrefetchedRecords):
        fetcher._records = PrefetchedRecords(fetcher._records)


def _as_it_is(_: TP, record: FetchedRecord) -> FetchedRecord:
    return record
