"""The payment of a row depends on no other row: one batch of all rows and a batch for each give the same."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from fraudstream.backtest.row_report import BadRow, RowReport
from fraudstream.contracts import Payment
from tests.property.profile import EXAMPLES
from tests.unit.backtest.mapped_rows import read

AMOUNTS = ["12.50", "-7", "(3.00)", "€1,234.50", "12,50", "1.0E7", "0012", "x", "1.2E3", "9" * 25, "", None]
TIMES = [
    "2026-03-04T12:00:00Z",
    "2026-03-04 12:00:00.123456789",
    "2026-03-04T12:00:00,5+01:00",
    "20260304T120000",
    "2026-10-25 02:30:00",
    "2026-03-29 02:30:00",
    "2026-02-30",
    "noon",
    None,
]
COUNTS = ["1772625600", "1772625600.25", "1772625600999999999", "1.7726256e9", "-1", "soon", None]
FORMATTED = ["01/03/2026 10:00", "30/02/2026 10:00", "31/04/2026 10:00", "25/10/2026 02:30", "1/1/26", None]
WORDS = ["card", " wire", "", "NA", "4.11111E+15", "a\tb", "x" * 129, None]
PAYMENT = {
    "amount": {"column": "amount", "strip": "€,", "absolute": True},
    "direction": {"column": "amount", "sign": {"positive": "debit", "negative": "credit"}},
    "account_id": {"column": "word", "trim": True},
    "merchant_id": {"template": "{word}-{amount}"},
}
TIME_SOURCES: list[tuple[dict[str, Any], list[Any]]] = [
    ({"column": "at", "zone": "Europe/Berlin"}, TIMES),
    ({"column": "at", "unit": "seconds"}, COUNTS),
    ({"column": "at", "unit": "nanoseconds"}, COUNTS),
    ({"column": "at", "format": "%d/%m/%Y %H:%M", "zone": "Europe/Berlin", "fold": 1}, FORMATTED),
]
LABEL = {"column": "word", "fraud": ["card"], "genuine": [" wire"], "unlabelled": ["NA"]}


class _Listing(RowReport):
    """A report that keeps the bad rows."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[BadRow] = []

    def skip(self, row: BadRow) -> None:
        """Keep it."""
        self.rows.append(row)


def _read(columns: dict[str, list[Any]], time_source: dict[str, Any]) -> tuple[list[Payment], list[int], list[Any]]:
    report = _Listing()
    payment = {**PAYMENT, "occurred_at": time_source, "event_id": {"column": "id"}}
    batch = read(columns, payment, report, on_bad_row="skip", label=LABEL)
    return batch.payments, batch.labels.tolist(), [(row.column, row.reason, row.sentence) for row in report.rows]


@EXAMPLES
@given(data=st.data())
def test_a_row_means_the_same_alone_and_among_others(data: st.DataObject) -> None:
    time_source, times = data.draw(st.sampled_from(TIME_SOURCES))
    n = data.draw(st.integers(1, 8))

    def drawn(values: list[Any]) -> list[Any]:
        return data.draw(st.lists(st.sampled_from(values), min_size=n, max_size=n))

    columns = {"id": [f"e{i}" for i in range(n)], "amount": drawn(AMOUNTS), "at": drawn(times), "word": drawn(WORDS)}
    together = _read(columns, time_source)
    alone = [_read({name: values[i : i + 1] for name, values in columns.items()}, time_source) for i in range(n)]
    assert together == tuple([item for part in alone for item in part[index]] for index in range(3))
