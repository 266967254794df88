"""Reasons on a terminal of 80 columns: comparisons of rules, score parts, features."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from fraudstream.contracts import Evidence, FeatureValue, ScorePart
from fraudstream.contracts.timestamps import utc_text

INDENT = 2
MARKS = {True: "yes", False: "no", None: "?"}  # of a comparison that holds, does not, or is unknown


def console() -> Console:
    """Standard output, without markup and highlighting: texts come from payments."""
    return Console(highlight=False, emoji=False, markup=False)


def heading(words: str) -> Text:
    """A bold line with an empty one above."""
    return Text(f"\n{words}", style="bold")


def indented(what: Table | Text | str, by: int = INDENT) -> Padding:
    """Text or a table, indented by `by` columns."""
    return Padding(Text(what) if isinstance(what, str) else what, (0, 0, 0, by), expand=False)


def comparisons(rows: Iterable[tuple[str, Evidence]]) -> Table:
    """`rows`: a mark ('yes', 'no', '?'; or nothing) and the comparison it belongs to."""
    cells = []
    for mark, evidence in rows:
        asked = f"{evidence.left} {evidence.operator} {evidence.right}".rstrip()
        found = evidence.value
        if evidence.threshold not in (evidence.right, evidence.value):
            in_list = evidence.operator.endswith(("in", "in_network"))
            against = f" ({evidence.threshold})" if in_list else f", threshold {evidence.threshold}"
            found = f"{evidence.value}{against}"
        cells.append((mark, asked, found, margin(evidence.margin)))
    return _table(cells)


def margin(share: float | None) -> str:
    """How far beyond the threshold, as a share of it.

    >>> margin(0.25), margin(-0.1), margin(None)
    ('+25 %', '-10 %', '')
    """
    return "" if share is None else f"{share * 100:+,.0f} %".replace("+0 %", "0 %").replace("-0 %", "0 %")


def score_parts(parts: Sequence[ScorePart]) -> Table:
    """Points, name, value, rarity and normal value of each part, a line each."""
    return _table(
        (
            f"{part.points:+.2f} bits" if part.unit == "bits" else f"{part.points:.4f}, at most {part.points_max:.2f}",
            part.part,
            part.value or "",
            f"one in {part.one_in:,}" if part.one_in is not None and part.one_in > 1 else "",
            f"normal {part.normal}" if part.normal is not None else "",
        )
        for part in parts
    )


def features(values: Sequence[FeatureValue]) -> Table:
    """Name, value and exactness of each feature, a line each."""
    return _table(
        (
            value.feature,
            value.value,
            "; ".join([value.window_error or "exact", *([f"warming: {value.warming}"] if value.warming else [])]),
        )
        for value in values
    )


def time_text(at_ms: int) -> str:
    """A time, ms since the epoch, in RFC 3339, UTC, to the millisecond."""
    return utc_text(at_ms, "milliseconds")


def _table(rows: Iterable[Sequence[str]]) -> Table:
    """Empty columns are left out; long words are folded, never cut."""
    columns = [column for column in zip(*rows, strict=True) if any(column)]
    table = Table.grid(padding=(0, 2, 0, 0))
    for _ in columns:
        table.add_column(overflow="fold")
    for row in zip(*columns, strict=True):
        table.add_row(*map(Text, row))
    return table
