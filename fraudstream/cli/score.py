"""`fraudstream score`: tune the evidence score on a file of payments, and write the calibration."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from fraudstream.cli.failure import Failure
from fraudstream.cli.payment_file_flags import add_payment_file, file_failure, open_payment_files
from fraudstream.cli.progress import payments_progress
from fraudstream.cli.settings import Settings, add_setting
from fraudstream.cli.time_flags import add_label_delay, duration_ms
from fraudstream.contracts.error_text import system_error_text

if TYPE_CHECKING:
    from fraudstream.cli.main import Subparsers
    from fraudstream.engine.learned_score.calibration import Budget, CalibrationContent
    from fraudstream.engine.rule_set import RuleSet

BATCH_SIZE = 20_000


def add_parser(subparsers: Subparsers) -> None:
    """Add `score` with its action `tune`."""
    parser = subparsers.add_parser(
        "score",
        help="tune the evidence score",
        epilog="example:\n  fraudstream score tune payments.parquet --mapping handbook --alerts-per-day 50",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", dest="action", required=True)
    tune = actions.add_parser(
        "tune",
        help="let the score learn from payments and labels, and find the thresholds that budgets come to",
        description=(
            "Replays the payments of a file with their labels, as they would have arrived, and writes what the score "
            "of rules/score.yaml has learned as a calibration: an artefact of the rule set, named by its digest, with "
            "a report beside it."
        ),
        epilog=(
            "example:\n  fraudstream score tune payments.parquet --mapping handbook --alerts-per-day 50\n"
            "then name the calibration in artefacts.yaml and score.yaml, as the command prints, and activate the rules"
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_payment_file(tune)
    tune.add_argument("--rules", metavar="DIR", type=Path, help="directory of rules (setting rules.directory)")
    tune.add_argument(
        "--out", metavar="DIR", type=Path, help="directory to write artefacts/DIGEST to (default: that of the rules)"
    )
    tune.add_argument(
        "--alerts-per-day",
        metavar="N",
        type=float,
        action="append",
        default=[],
        help="find the threshold for N alerts a day; may be repeated (default: what score.yaml says)",
    )
    tune.add_argument(
        "--precision-floor",
        metavar="SHARE",
        type=float,
        action="append",
        default=[],
        help="find the lowest threshold with at least this precision; may be repeated",
    )
    add_label_delay(tune)
    tune.add_argument(
        "--span",
        metavar="TIME",
        type=duration_ms,
        default="28d",
        help="thresholds are those of so many of the last days (default: 28d)",
    )
    add_setting(tune, "identifiers.secret_file", "--identifier-secret")
    tune.add_argument("--json", action="store_true", help="print the result as JSON")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Tune the score. Raises `Failure`."""
    from fraudstream.backtest.file_error import PaymentFileError
    from fraudstream.backtest.row_report import RowReport
    from fraudstream.backtest.score_tuning import TuningError, tune
    from fraudstream.engine.identifier_key import key_of

    rules = args.rules or Path(settings.rules.directory)
    rule_set, report = _rule_set(rules), RowReport()
    files = open_payment_files(args, args.files, report)
    try:
        with report, payments_progress("tune", files.rows, quiet=args.json) as advance:
            content = tune(
                rule_set,
                files.batches(args.sort),
                _budgets(args, rule_set),
                label_delay_ms=args.label_delay,
                span_ms=args.span,
                batch_size=BATCH_SIZE,
                digest_key=key_of(settings.identifiers.given()),
                progress=advance,
            )
    except PaymentFileError as error:
        raise file_failure(error) from error
    except TuningError as error:
        raise Failure(str(error)) from error
    _write(content, args.out or rules, json=args.json)
    return 0


def _rule_set(directory: Path) -> RuleSet:
    from fraudstream.cli.rule_files import fault_list, rule_texts
    from fraudstream.engine.document import DocumentErrors
    from fraudstream.engine.rule_set import compile_rule_set

    try:
        return compile_rule_set(rule_texts(directory), to_be_tuned=True)
    except DocumentErrors as errors:
        raise Failure(fault_list(errors, directory)) from errors


def _budgets(args: argparse.Namespace, rule_set: RuleSet) -> list[Budget]:
    """Those of the flags, and that of the score."""
    from fraudstream.engine.learned_score.calibration import Budget
    from fraudstream.engine.learned_score.scorer import EvidenceScorer

    if any(amount <= 0 for amount in (*args.alerts_per_day, *args.precision_floor)):
        raise Failure("--alerts-per-day and --precision-floor take numbers above 0.")
    budgets = [Budget("alerts_per_day", amount) for amount in args.alerts_per_day]
    budgets += [Budget("precision_floor", amount) for amount in args.precision_floor]
    score = rule_set.base_score
    declared = score.budget if isinstance(score, EvidenceScorer) else None
    return [*budgets, *([declared] if declared is not None and declared not in budgets else [])]


def _write(content: CalibrationContent, out: Path, *, json: bool) -> None:
    from fraudstream.backtest.score_report import tuning_report
    from fraudstream.contracts.artefact import artefact_digest
    from fraudstream.engine.artefacts import ARTEFACTS_DIRECTORY
    from fraudstream.engine.learned_score.calibration import encode_calibration

    encoded = encode_calibration(content)
    digest = artefact_digest(encoded)
    artefact = out / ARTEFACTS_DIRECTORY / digest
    report = tuning_report(content, digest)
    try:
        artefact.parent.mkdir(parents=True, exist_ok=True)
        artefact.write_bytes(encoded)
        artefact.with_suffix(".md").write_text(report, encoding="utf-8")
    except OSError as error:
        raise Failure(f"the calibration can't be written to {artefact}: {system_error_text(error)}.") from error
    if json:
        import msgspec

        found = {"digest": digest, "file": str(artefact), "thresholds": content.thresholds}
        sys.stdout.write(msgspec.json.encode(found).decode() + "\n")
        return
    print(report)
    print(
        f"Written to {artefact}. To use it:\n\n  artefacts.yaml   artefacts: {{tuned: {{digest: {digest}}}}}\n"
        "  score.yaml       calibration: tuned"
    )
