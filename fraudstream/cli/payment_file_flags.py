"""The flags of every command that reads files of payments: FILE, --mapping, --sort, and the layout of the files."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fraudstream.cli.failure import Failure
from fraudstream.cli.format_services import format_services
from fraudstream.cli.settings import Settings

if TYPE_CHECKING:
    from fraudstream.backtest.file_error import PaymentFileError
    from fraudstream.backtest.file_layout import FileLayout
    from fraudstream.backtest.payment_file import PaymentFiles
    from fraudstream.backtest.readers.table import OnBadRow
    from fraudstream.backtest.row_report import RowReport
    from fraudstream.backtest.topic_file import TopicFiles

FORMATS = "Parquet, CSV, JSON lines, or messages of ISO 20022 or ISO 8583; plain or compressed"


def add_payment_file(parser: argparse.ArgumentParser, *, required: bool = True) -> None:
    """FILE, and how to read it. `required`: whether one must be given."""
    nargs = "+" if required else "*"
    parser.add_argument(
        "files", metavar="FILE", type=Path, nargs=nargs, help=f"payments: {FORMATS}; or a directory of such files"
    )
    add_reading(parser)


def add_reading(parser: argparse.ArgumentParser) -> None:
    """`--mapping`, `--on-bad-row`, `--sort`, and the layout, which overrides the mapping's section `file`."""
    parser.add_argument(
        "--mapping",
        metavar="NAME",
        help="column mapping of the files: a shipped name or a .yaml file; not needed for JSON lines in the form of "
        "the payments topic",
    )
    parser.add_argument(
        "--on-bad-row",
        choices=("stop", "skip"),
        help="what to do with a row that gives no valid payment (default: as the mapping says, else stop)",
    )
    parser.add_argument("--sort", action="store_true", help="sort the payments by time first (in memory)")
    layout = parser.add_argument_group("layout of the files", "Each overrides the mapping's section `file`.")
    layout.add_argument(
        "--separator", metavar="C", help="between cells: a character, or comma, semicolon, tab, pipe, space"
    )
    layout.add_argument("--encoding", metavar="NAME", help="of the text, such as cp1252 (default: utf-8)")
    layout.add_argument(
        "--header-row", metavar="N", type=int, help="line with the column names, from 1; 0: there is none"
    )
    layout.add_argument("--trailer-rows", metavar="N", type=int, help="rows to skip at the end, such as a total")


def open_payment_files(
    args: argparse.Namespace, paths: Sequence[Path], report: RowReport, settings: Settings
) -> PaymentFiles | TopicFiles:
    """The files at `paths`, as the flags say; `report` receives the rows without a payment. `settings`: of cards, which
    messages may hold. Raises `Failure` for a bad file, mapping or flag."""
    import msgspec

    from fraudstream.backtest.file_error import PaymentFileError
    from fraudstream.backtest.file_layout import FileLayout
    from fraudstream.backtest.input_files import input_files
    from fraudstream.backtest.mapping import MappingError, load_mapping
    from fraudstream.backtest.payment_file import PaymentFile, PaymentFiles
    from fraudstream.formats.catalogue import NO_SERVICES

    try:
        files = input_files(paths)
        if args.mapping is None:
            handler = report.handler(args.on_bad_row or "stop")
            return _topic_files(files, _overridden(FileLayout(), args), handler)
        mapping = load_mapping(args.mapping)
        layout, on_bad_row = _overridden(mapping.file, args), args.on_bad_row or mapping.on_bad_row
        mapping = msgspec.structs.replace(mapping, file=layout, on_bad_row=on_bad_row)
        services = NO_SERVICES if mapping.message is None else format_services(settings)
        return PaymentFiles([PaymentFile(path, mapping, report, services) for path in files])
    except MappingError as error:
        raise Failure(str(error)) from error
    except PaymentFileError as error:
        raise file_failure(error) from error


def _topic_files(files: list[Path], layout: FileLayout, on_bad_row: OnBadRow) -> TopicFiles:
    from fraudstream.backtest.readers.formats import detect
    from fraudstream.backtest.topic_file import TopicFiles

    for path in files:
        if detect(path, layout.encoding).format != "json lines":
            raise Failure(
                f"{path}: needs --mapping NAME, which says what its columns mean. Only JSON lines in the form of the "
                "payments topic are read without one."
            )
    return TopicFiles(files, layout.encoding, on_bad_row)


def _overridden(layout: FileLayout, args: argparse.Namespace) -> FileLayout:
    """The layout with the values of the flags that were given. Raises `Failure`."""
    import msgspec

    from fraudstream.backtest.file_layout import FileLayout

    given = {
        name: value
        for name in ("separator", "encoding", "header_row", "trailer_rows")
        if (value := getattr(args, name)) is not None
    }
    content: dict[str, Any] = {name: getattr(layout, name) for name in FileLayout.__struct_fields__} | given
    try:
        return msgspec.convert(content, FileLayout)
    except msgspec.ValidationError as error:
        flags = ", ".join(f"--{name.replace('_', '-')}" for name in given)
        raise Failure(f"{flags}: {str(error).replace(' - at `$', ' at `file')}.") from error


def description_of(paths: Iterable[Path]) -> str:
    """The files in a few words: the only one, or the first and how many more.

    >>> description_of([Path("a.csv"), Path("b.csv"), Path("c.csv")])
    'a.csv and 2 more files'
    """
    first, *others = paths
    more = f" and {len(others)} more file{'s' if len(others) > 1 else ''}" if others else ""
    return f"{first}{more}"


def file_failure(error: PaymentFileError) -> Failure:
    """A fault of the file as a failure of the command, which says how to skip a bad row."""
    from fraudstream.backtest.row_report import BadRowError

    skip = "\nTo leave such rows out and list them: --on-bad-row skip." if isinstance(error, BadRowError) else ""
    return Failure(f"{error}{skip}")


def skipped_rows_text(report: RowReport) -> list[str]:
    """What to print about the rows that gave no payment, a line each."""
    lines = []
    if report.excluded:
        lines.append(f"{_rows(report.excluded)} left out by `where` of the mapping.")
    if report.first is not None:
        first = report.first
        place = f"{first.file}, {first.place}"
        listed = f", listed in {report.path}" if report.path is not None else ""
        lines.append(f"{_rows(report.skipped)} skipped as bad{listed}; first {place}: {first.sentence}")
    return lines


def no_payment_code(payments: int, report: RowReport) -> int:
    """The exit code of a command that has read `payments`: 1 if every row was bad."""
    return 1 if report.skipped and not payments else 0


def _rows(count: int) -> str:
    return f"{count:,} row{'' if count == 1 else 's'}"
