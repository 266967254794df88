"""When a label became known is read from a column, in the forms of every time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fraudstream.backtest.file_error import PaymentFileError
from fraudstream.backtest.label_order import in_order
from fraudstream.backtest.mapping import MappingError
from fraudstream.backtest.payment_file import PaymentFile, PaymentFiles
from fraudstream.contracts import Label
from fraudstream.engine.columns import time_ms
from tests.unit.backtest.mapped_rows import mapping_of, read

NOON_MS = 1_772_625_600_000  # 2026-03-04T12:00:00Z
DAY_MS = 86_400_000


def label(**reported_at: Any) -> dict[str, Any]:
    return {"column": "fraud", "fraud": ["1"], "genuine": ["0"], "reported_at": {"column": "told", **reported_at}}


def test_an_empty_cell_leaves_the_delay_to_the_command() -> None:
    told = ["2026-03-06T12:00:00Z", None, "2026-03-05T12:00:00Z"]
    found = read({"fraud": ["1", "0", "0"], "told": told}, label=label())
    assert found.labelled_at_ms is not None
    assert found.labelled_at_ms.tolist() == [NOON_MS + 2 * DAY_MS, -1, NOON_MS + DAY_MS]
    assert read({"fraud": ["1"]}, label={"column": "fraud", "fraud": ["1"]}).labelled_at_ms is None


def test_a_date_has_a_format_and_a_zone() -> None:
    found = read({"fraud": ["1"], "told": ["06.03.2026"]}, label=label(format="%d.%m.%Y", zone="Europe/Berlin"))
    assert found.labelled_at_ms is not None
    assert found.labelled_at_ms.tolist() == [NOON_MS + DAY_MS * 3 // 2 - 3_600_000]


@pytest.mark.parametrize(
    ("told", "sentence"),
    [
        ("2026-03-03T12:00:00Z", "the label is of 2026-03-03T12:00:00Z, before its payment, 2026-03-04T12:00:01Z."),
        ("soon", "soon"),
    ],
)
def test_a_time_that_is_none_or_before_the_payment_is_refused(told: str, sentence: str) -> None:
    with pytest.raises(PaymentFileError) as refused:
        read({"fraud": ["0", "1"], "told": [None, told]}, label=label())
    assert (refused.value.row, refused.value.column) == (2, "told")
    assert sentence in refused.value.sentence


def test_a_faulty_source_is_named() -> None:
    with pytest.raises(MappingError, match=r"label\.reported_at: fold needs a zone"):
        mapping_of(label=label(fold="1"))
    with pytest.raises(MappingError, match=r"label\.reported_at: needs one of column, constant and template"):
        mapping_of(label=label(template="{a}"))


def test_sorted_files_keep_the_times_of_their_labels(tmp_path: Path) -> None:
    rows = [("e1", 13, "1", "2026-03-09"), ("e2", 12, "0", "2026-03-07"), ("e3", 14, "1", "")]
    for at, name in ((slice(0, 1), "a.csv"), (slice(1, 3), "b.csv")):
        lines = [f"{id_},2026-03-04T{hour}:00:00Z,a1,1.00,EUR,{fraud},{told}" for id_, hour, fraud, told in rows[at]]
        (tmp_path / name).write_text("id,at,account,amount,currency,fraud,told\n" + "\n".join(lines) + "\n")
    mapping = mapping_of(label=label())
    files = PaymentFiles([PaymentFile(tmp_path / name, mapping) for name in ("a.csv", "b.csv")])
    events = [event for part in in_order(files.batches(sort=True), DAY_MS) for event in part.events]
    assert [event.event_id for event in events] == ["e2", "e1", "e3", "e3", "e2", "e1"]
    told = [time_ms(event.labelled_at) for event in events if isinstance(event, Label)]
    assert [(at - NOON_MS) / DAY_MS for at in told] == [1 + 2 / 24, 2.5, 4.5]
