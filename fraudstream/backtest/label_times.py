"""When the labels of a file became known, where a column says it."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from fraudstream.backtest.cells import Cells
from fraudstream.backtest.row_faults import Int64Array, RowFaults
from fraudstream.backtest.sources import LabelSource
from fraudstream.backtest.time_columns import event_times
from fraudstream.contracts.timestamps import utc_text


def label_times(
    cells: Cells, label: LabelSource | None, occurred_at_ms: Int64Array, faults: RowFaults
) -> Int64Array | None:
    """The time of each label, ms since the epoch, UTC; int64, shape (n,); -1 where the cell is empty. None if the
    mapping names no such column.

    `occurred_at_ms`: of the payments; int64, shape (n,). Faults: what is not a time, and a time before the payment's.
    """
    source = None if label is None else label.reported_at
    if source is None:
        return None
    array = cells.typed_source(source, faults)
    given = np.flatnonzero(array.is_valid().to_numpy(zero_copy_only=False))
    column, of_given = source.columns[0] if source.columns else None, RowFaults(len(given))
    times = np.full(cells.n, -1, np.int64)
    times[given] = event_times(array.take(pa.array(given)), source, of_given.column(column))
    for fault in of_given.found:
        faults.add(fault._replace(at=int(given[fault.at])))
    early = (times >= 0) & (times < occurred_at_ms) & faults.good
    faults.column(column).add(
        early,
        lambda at: (
            f"the label is of {utc_text(int(times[at]))}, before its payment, {utc_text(int(occurred_at_ms[at]))}."
        ),
    )
    return times
