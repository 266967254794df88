"""The flags of every command that reads a file of payments: FILE, --mapping, --sort."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from fraudstream.cli.failure import Failure

if TYPE_CHECKING:
    from fraudstream.backtest.file_error import PaymentFileError
    from fraudstream.backtest.payment_file import PaymentFile
    from fraudstream.backtest.row_report import RowReport


def add_payment_file(parser: argparse.ArgumentParser) -> None:
    """FILE, `--mapping`, `--on-bad-row`, `--sort`."""
    parser.add_argument("file", metavar="FILE", type=Path, help="payments: Parquet or CSV")
    parser.add_argument(
        "--mapping", metavar="NAME", required=True, help="column mapping of the file: a shipped name or a .yaml file"
    )
    parser.add_argument(
        "--on-bad-row",
        choices=("stop", "skip"),
        help="what to do with a row that gives no valid payment (default: as the mapping says, else stop)",
    )
    parser.add_argument("--sort", action="store_true", help="sort the file by time first (in memory)")


def open_payment_file(args: argparse.Namespace, report: RowReport | None = None) -> PaymentFile:
    """The file that the flags name; `report` is told of rows without a payment. Raises `Failure` for a bad file or
    mapping."""
    import msgspec

    from fraudstream.backtest.file_error import PaymentFileError
    from fraudstream.backtest.mapping import MappingError, load_mapping
    from fraudstream.backtest.payment_file import PaymentFile

    try:
        mapping = load_mapping(args.mapping)
        on_bad_row = getattr(args, "on_bad_row", None) or mapping.on_bad_row
        return PaymentFile(args.file, msgspec.structs.replace(mapping, on_bad_row=on_bad_row), report)
    except (MappingError, PaymentFileError) as error:
        raise Failure(str(error)) from error


def file_failure(error: PaymentFileError) -> Failure:
    """A fault of the file as a failure of the command, which says how to skip a bad row."""
    from fraudstream.backtest.row_report import BadRowError

    skip = "\nTo leave such rows out and list them: --on-bad-row skip." if isinstance(error, BadRowError) else ""
    return Failure(f"{error}{skip}")


def skipped_rows_text(report: RowReport) -> list[str]:
    """What to print about the rows that gave no payment, a line each."""
    lines = []
    if report.excluded:
        lines.append(f"{report.excluded:,} rows left out by `where` of the mapping.")
    if report.first is not None:
        first = report.first
        place = f"row {first.row}" + (f", column {first.column!r}" if first.column is not None else "")
        lines.append(f"{report.skipped:,} bad rows skipped, listed in {report.path}; first {place}: {first.sentence}")
    return lines
