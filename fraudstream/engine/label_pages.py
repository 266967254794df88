"""The pages of a label index: its arrays, and the records that pages are saved as."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from fraudstream.engine.arena import NEVER
from fraudstream.engine.label_entries import PAGE, LabelArrays
from fraudstream.engine.label_plan import LabelPlan

NO_PAGE: Final = -1
PLACES: Final = 16  # places of pages at first

_NUMBER_BYTES: Final = 8


def new_arrays(plan: LabelPlan) -> LabelArrays:
    """Without entries."""
    n, columns = PLACES * PAGE, len(plan.entities)
    return LabelArrays(
        event=np.zeros(n, np.uint64),
        t=np.zeros(n, np.int64),
        labelled_ms=np.zeros(n, np.int64),
        label=np.zeros(n, np.int8),
        row=np.zeros((n, columns), np.int32),
        mask=np.zeros((n, columns), np.uint32),
        next_key=np.zeros((n, int(plan.forwards)), np.int32),
        bins=np.zeros((n, plan.bins), np.uint8),
        page=np.zeros(PLACES, np.int64),
        entries_dirty=np.zeros(PLACES, np.bool_),
        labels_dirty=np.zeros(PLACES, np.bool_),
        bucket=np.zeros(2 * n, np.uint64),
        top=np.array([0, 0, NEVER, NEVER], np.int64),
        retention_ms=plan.retention_ms,
    )


def entries_of(arrays: LabelArrays) -> tuple[NDArray[Any], ...]:
    """The columns of an entries record, in order."""
    return arrays.event, arrays.t, arrays.row, arrays.mask, arrays.next_key, arrays.bins


def labels_of(arrays: LabelArrays) -> tuple[NDArray[Any], ...]:
    """The columns of a labels record, in order."""
    return arrays.labelled_ms, arrays.label


def page_record(number: int, columns: Sequence[NDArray[Any]], begin: int, count: int) -> bytes:
    """The `count` entries of a page from position `begin` on: the number of the page, then one column after the
    other."""
    parts = (column[begin : begin + count].tobytes() for column in columns)
    return b"".join([number.to_bytes(_NUMBER_BYTES, "little"), *parts])


def read_page(content: bytes, columns: Sequence[NDArray[Any]], begin: int) -> int:
    """Fill the columns of a page from position `begin` on; what the record does not have becomes 0. Returns the number
    of the page. Raises `ValueError` for a record of another layout."""
    pages = [column[begin : begin + PAGE] for column in columns]
    count, rest = divmod(len(content) - _NUMBER_BYTES, sum(page.nbytes // PAGE for page in pages))
    if rest or not 0 < count <= PAGE:
        raise ValueError("a saved page of the label index has a length that no page has: another layout.")
    at = _NUMBER_BYTES
    for page in pages:
        size = page.nbytes // PAGE * count
        values = np.frombuffer(content[at : at + size], page.dtype)
        page[:count], page[count:] = values.reshape((count, *page.shape[1:])), 0
        at += size
    return int.from_bytes(content[:_NUMBER_BYTES], "little")
