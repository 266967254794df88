"""`fraudstream replay`: run the engine over a file of payments and write decisions, alerts and the detection
quality."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from fraudstream.cli.count_flag import positive_count
from fraudstream.cli.failure import Failure
from fraudstream.cli.payment_file_flags import (
    add_payment_file,
    file_failure,
    no_payment_code,
    open_payment_files,
    skipped_rows_text,
)
from fraudstream.cli.progress import payments_progress
from fraudstream.cli.replayed_rules import add_replayed_rules, listed_values, replayed_rules
from fraudstream.cli.settings import Settings
from fraudstream.contracts.error_text import system_error_text

if TYPE_CHECKING:
    from fraudstream.backtest.replay import Summary
    from fraudstream.backtest.row_report import RowReport
    from fraudstream.cli.main import Subparsers

BATCH_SIZE = 20_000
BAD_ROWS = "bad_rows.jsonl"


def add_parser(subparsers: Subparsers) -> None:
    """Add `replay`."""
    parser = subparsers.add_parser(
        "replay",
        help="run the engine over a file of payments and write decisions and alerts",
        description=(
            "Decides the payments of a file as the stream would, with the file's labels at the time they would have "
            "arrived, and writes decisions.parquet, alerts.jsonl and summary.json."
        ),
        epilog="example:\n  fraudstream replay payments.parquet --mapping handbook --out replayed",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_payment_file(parser)
    parser.add_argument(
        "--out", metavar="DIR", type=Path, required=True, help="directory to write to (created if missing)"
    )
    parser.add_argument("--features-out", metavar="FILE", type=Path, help="write every payment's features, as Parquet")
    add_replayed_rules(parser)
    parser.add_argument(
        "--batch-size",
        metavar="N",
        type=positive_count,
        default=BATCH_SIZE,
        help="events per engine call; does not change the results",
    )
    parser.add_argument("--json", action="store_true", help="print the summary as JSON")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Replay the file. Raises `Failure`."""
    from fraudstream.backtest.file_error import PaymentFileError
    from fraudstream.backtest.replay import encode_summary, replay
    from fraudstream.backtest.row_report import RowReport
    from fraudstream.engine.identifier_key import key_of

    report = RowReport(args.out / BAD_ROWS)
    key = key_of(settings.identifiers.given())
    files = open_payment_files(args, args.files, report, settings)
    rule_set = replayed_rules(args, settings)
    try:
        with report, payments_progress("replay", files.rows, quiet=args.json) as advance:
            summary = replay(
                rule_set,
                files.batches(args.sort),
                args.out,
                label_delay_ms=args.label_delay,
                batch_size=args.batch_size,
                features_out=args.features_out,
                listed=listed_values(args.lists, rule_set.lists),
                report=report,
                digest_key=key,
                typologies=files.typologies,
                label_sources=files.label_sources,
                progress=advance,
            )
    except PaymentFileError as error:
        raise file_failure(error) from error
    except OSError as error:
        raise Failure(f"the results can't be written to {args.out}: {system_error_text(error)}.") from error
    if args.json:
        sys.stdout.write(encode_summary(summary).decode() + "\n")
    else:
        _print(summary, report, args.out)
    return no_payment_code(summary.payments, report)


def _print(summary: Summary, report: RowReport, out: Path) -> None:
    console = Console()
    console.print(
        f"{summary.payments:,} payments, {summary.labels:,} labels ({summary.frauds:,} payments are fraud): "
        f"{summary.alerts:,} alerts. {summary.us_a_payment:.1f} µs a payment in the engine, "
        f"{summary.seconds:.1f} s in all."
    )
    for line in (*skipped_rows_text(report), *report.notices):
        console.print(line, markup=False)
    for reason, count in summary.rejected.items():
        first = next(rejection for rejection in summary.rejections if rejection.reason == reason)
        console.print(
            f"{count:,} could not be decided ({reason}), first {first.event_id}: {first.sentence}", markup=False
        )
    if summary.auc is not None and summary.average_precision is not None:
        console.print(f"Score: AUC {summary.auc:.3f}, average precision {summary.average_precision:.3f}.")
    if summary.rules or summary.shadow_rules:
        table = Table("rule", "fired", "precision", "recall", box=None)
        live, shadow = (sorted(each, key=lambda rule: -rule.fired) for each in (summary.rules, summary.shadow_rules))
        rows = [(rule.rule, rule) for rule in live] + [("all alerts", summary.alert)]
        for name, rule in rows + [(f"{rule.rule} (shadow)", rule) for rule in shadow]:
            table.add_row(name, f"{rule.fired:,}", _share(rule.precision), _share(rule.recall))
        console.print(table)
    bad_rows = f", {BAD_ROWS}" if report.skipped else ""
    console.print(f"Written to {out}: decisions.parquet, alerts.jsonl, summary.json{bad_rows}.", markup=False)


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"
