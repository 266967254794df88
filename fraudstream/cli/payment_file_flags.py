"""The flags of every command that reads a file of payments: FILE, --mapping, --sort."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from fraudstream.cli.failure import Failure

if TYPE_CHECKING:
    from fraudstream.backtest.payment_file import PaymentFile


def add_payment_file(parser: argparse.ArgumentParser) -> None:
    """FILE, `--mapping`, `--sort`."""
    parser.add_argument("file", metavar="FILE", type=Path, help="payments: Parquet or CSV")
    parser.add_argument(
        "--mapping", metavar="NAME", required=True, help="column mapping of the file: a shipped name or a .yaml file"
    )
    parser.add_argument("--sort", action="store_true", help="sort the file by time first (in memory)")


def open_payment_file(args: argparse.Namespace) -> PaymentFile:
    """The file that the flags name. Raises `Failure` for a bad file or mapping."""
    from fraudstream.backtest.file_error import PaymentFileError
    from fraudstream.backtest.mapping import MappingError, load_mapping
    from fraudstream.backtest.payment_file import PaymentFile

    try:
        return PaymentFile(args.file, load_mapping(args.mapping))
    except (MappingError, PaymentFileError) as error:
        raise Failure(str(error)) from error
