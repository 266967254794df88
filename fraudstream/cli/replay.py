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
from fraudstream.cli.payment_file_flags import add_payment_file, file_failure, open_payment_files, skipped_rows_text
from fraudstream.cli.progress import payments_progress
from fraudstream.cli.settings import Settings, add_setting
from fraudstream.cli.time_flags import duration_ms
from fraudstream.contracts.error_text import read_error_text, system_error_text
from fraudstream.contracts.nearest_name import nearest_or_all

if TYPE_CHECKING:
    from fraudstream.backtest.replay import ListedValue, Summary
    from fraudstream.backtest.row_report import RowReport
    from fraudstream.cli.main import Subparsers
    from fraudstream.engine.rule_set import RuleSet

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
    parser.add_argument("--rules", metavar="DIR", type=Path, help="directory of rules (setting rules.directory)")
    parser.add_argument(
        "--features",
        metavar="FILE",
        type=Path,
        help="feature catalogue in place of the rules' own; without --rules: no rules",
    )
    parser.add_argument("--features-out", metavar="FILE", type=Path, help="write every payment's features, as Parquet")
    parser.add_argument(
        "--lists",
        metavar="FILE",
        type=Path,
        help='list entries in force from the start: lines of {"list": …, "value": …}, as `lists show --json` prints',
    )
    add_setting(parser, "identifiers.secret_file", "--identifier-secret")
    parser.add_argument(
        "--label-delay",
        metavar="TIME",
        type=duration_ms,
        default="7d",
        help="from a payment to its label (default: 7d)",
    )
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
    files = open_payment_files(args, args.files, report)
    rule_set = _rule_set(args.rules, args.features, Path(settings.rules.directory))
    try:
        with report, payments_progress("replay", files.rows, quiet=args.json) as advance:
            summary = replay(
                rule_set,
                files.batches(args.sort),
                args.out,
                label_delay_ms=args.label_delay,
                batch_size=args.batch_size,
                features_out=args.features_out,
                listed=_listed(args.lists, rule_set) if args.lists else (),
                report=report,
                digest_key=key,
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
    return 0


def _rule_set(rules: Path | None, features: Path | None, usual: Path) -> RuleSet:
    """The rules of a directory. `features` replaces their catalogue; without a directory there are no rules."""
    from fraudstream.cli.rule_files import artefact_contents, fault_list, rule_texts
    from fraudstream.engine.document import DocumentErrors
    from fraudstream.engine.rule_set import FEATURES, compile_rule_set

    directory = rules or (None if features else usual)
    without_rules = directory is None or (features and directory.is_dir() and not any(directory.rglob("*.yaml")))
    texts = {} if directory is None or without_rules else rule_texts(directory)
    artefacts = {} if directory is None else artefact_contents(directory, texts)
    if features:
        try:
            texts[FEATURES] = features.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise Failure(f"{features} cannot be read: {read_error_text(error)}.") from error
    try:
        return compile_rule_set(texts, artefacts=artefacts)
    except DocumentErrors as errors:
        faults = [
            fault._replace(path=str(features)) if features and fault.path == FEATURES else fault
            for fault in errors.faults
        ]
        raise Failure(fault_list(DocumentErrors(faults), directory or Path())) from errors


def _listed(path: Path, rule_set: RuleSet) -> list[ListedValue]:
    """The entries of a file of JSON lines. Raises `Failure`, which names file and line."""
    import msgspec

    from fraudstream.backtest.replay import ListedValue
    from fraudstream.engine.list_declarations import entry_value

    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise Failure(f"{path}: cannot read the entries of lists: {system_error_text(error)}.") from error
    found = []
    for number, line in enumerate(lines, start=1):
        try:
            entry = msgspec.json.decode(line, type=ListedValue)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise Failure(f"{path}:{number}: not a list entry: {error}.") from error
        if entry.list not in rule_set.lists:
            raise Failure(
                f"{path}:{number}: lists.yaml has no list '{entry.list}'. {nearest_or_all(entry.list, rule_set.lists)}"
            )
        try:
            entry_value(rule_set.lists[entry.list], entry.value)
        except ValueError as error:
            raise Failure(f"{path}:{number}: '{entry.value[:40]}' would match no payment: {error}") from error
        found.append(entry)
    return found


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
    if summary.rules:
        table = Table("rule", "fired", "precision", "recall", box=None)
        for rule in (*sorted(summary.rules, key=lambda rule: -rule.fired), summary.alert):
            name = "all alerts" if rule is summary.alert else rule.rule
            table.add_row(name, f"{rule.fired:,}", _share(rule.precision), _share(rule.recall))
        console.print(table)
    bad_rows = f", {BAD_ROWS}" if report.skipped else ""
    console.print(f"Written to {out}: decisions.parquet, alerts.jsonl, summary.json{bad_rows}.", markup=False)


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"
