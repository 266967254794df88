"""An evaluation in a terminal: the alerts, a table of the scorers, the periods that follow one another."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from fraudstream.cli.payment_file_flags import skipped_rows_text

if TYPE_CHECKING:
    from fraudstream.backtest.row_report import RowReport
    from fraudstream.evaluation.bootstrap import Interval
    from fraudstream.evaluation.results import Evaluation


def print_evaluation(evaluation: Evaluation, report: RowReport, out: Path) -> None:
    """Print it. `report`: of the rows read; `out`: where the report was written."""
    from fraudstream.evaluation.replayed import EVALUATION, REPORT

    console = Console()
    period, alerts = evaluation.period, evaluation.alerts
    found = "no alerts."
    if alerts.alerts:
        found = (
            f"{alerts.alerts:,.0f} alerts, {_share(alerts.precision)} of them fraud, catch {_share(alerts.recall)} of "
            "the frauds."
        )
    console.print(
        f"{period.payments:,} payments in {period.days:g} days, {period.frauds:,} of them fraud: {found}", markup=False
    )
    if period.left_out:
        console.print(f"{period.left_out:,} payments of accounts with known fraud are left out.")
    for line in (*skipped_rows_text(report), *report.notices):
        console.print(line, markup=False)
    first = evaluation.scorers[0]
    console.print(f"At {first.budget.budget:g} alerts a day, and the ranking of all payments:")
    table = Table("scorer", "precision", "recall", "money", "AUC", "AP", "AP 95 %", f"CP@{first.card_precision.k}",
                  box=None)  # fmt: skip
    for scorer in evaluation.scorers:
        caught = scorer.budget.caught
        main = [each.caught_share for each in caught.money if each.currency == evaluation.main_currency]
        table.add_row(
            scorer.name,
            _share(caught.precision),
            _share(caught.recall),
            _share(main[0] if main else None),
            _measure(scorer.auc),
            _measure(scorer.average_precision),
            _interval(scorer.intervals.get("average_precision")),
            _measure(scorer.card_precision.mean),
        )
    console.print(table)
    for folds in evaluation.folds:
        measures = ((name, folds.mean[name], folds.deviation[name]) for name in folds.mean)
        told = ", ".join(f"{name} {_measure(mean)} ± {_measure(spread)}" for name, mean, spread in measures)
        console.print(f"{folds.name}, {len(folds.folds)} periods: {told}.", markup=False)
    console.print(f"Written to {out}: {REPORT}, {EVALUATION}.", markup=False)


def _measure(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _interval(interval: Interval | None) -> str:
    return "-" if interval is None else f"{interval.low:.2f} to {interval.high:.2f}"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"
