"""Fetched records as aiokafka's C parser returns them, without the Python object that aiokafka makes of each.

That object repeats the names of topic and partition and the sizes of key and value: making it is half of what fetching
costs. The records of a batch have topic and partition in common, and nothing needs the sizes.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from faust.types import TP

from fraudstream.stream.record_batch import FetchedRecord


class PrefetchedRecords(OrderedDict[TP, Any]):
    """Replaces the dictionary in which aiokafka's fetcher keeps what it has fetched ahead of each partition."""

    def __setitem__(self, tp: TP, result: Any) -> None:
        """Keep a fetch result, set up to return raw records."""
        records = getattr(result, "_partition_records", None)
        if records is not None:  # else it holds an error
            records._consumer_record = _unchanged
        super().__setitem__(tp, result)


def use_raw_records(fetcher: Any) -> None:
    """Make an aiokafka fetcher return the records as it parsed them."""
    if not isinstance(fetcher._records, PrefetchedRecords):
        fetcher._records = PrefetchedRecords(fetcher._records)


def _unchanged(_: TP, record: FetchedRecord) -> FetchedRecord:
    return record
