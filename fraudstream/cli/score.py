"""`fraudstream score`: tune the evidence score on payments, or by what workers have learned; write the calibration."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from fraudstream.cli.failure import Failure
from fraudstream.cli.payment_file_flags import add_payment_file
from fraudstream.cli.rule_files import fault_list, load_rule_set, rule_texts
from fraudstream.cli.settings import Settings, add_setting
from fraudstream.cli.time_flags import add_label_delay, duration_ms
from fraudstream.contracts.error_text import system_error_text

if TYPE_CHECKING:
    from fraudstream.cli.main import Subparsers
    from fraudstream.engine.learned_score.calibration import Budget, CalibrationContent
    from fraudstream.engine.rule_set import RuleSet

WORKER_FLAGS = ("kafka.bootstrap_servers", "worker.group", "worker.state_version", "worker.checkpoint_mode")

EXAMPLES = """examples:
  fraudstream score tune payments.parquet --mapping handbook --alerts-per-day 50
  fraudstream score tune --topics --bootstrap-servers localhost:9092 --alerts-per-day 50
  fraudstream score tune --state --bootstrap-servers localhost:9092 --alerts-per-day 50
then name the calibration in artefacts.yaml and score.yaml, as the command prints, and activate the rules
"""


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
            "Writes what the score of rules/score.yaml has learned as a calibration: an artefact of the rule set, "
            "named by its digest, with a report beside it. It learns from the payments of files with their labels as "
            "they would have arrived, or from the payments topic; or it merges what the partitions of workers have "
            "learned, and finds thresholds by the decisions that they made."
        ),
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_payment_file(tune, required=False)
    source = tune.add_argument_group("in place of files")
    source.add_argument("--topics", action="store_true", help="learn from the payments topic, all partitions as one")
    source.add_argument(
        "--state", action="store_true", help="merge what the workers' partitions have learned, by their changelog"
    )
    source.add_argument(
        "--state-export", metavar="DIR", type=Path, help="the same, by what `state export` has written of their stage"
    )
    source.add_argument(
        "--decisions",
        metavar="DIR",
        type=Path,
        help="find the thresholds of a state by the decisions that `replay` or `evaluate` wrote to DIR (default: by "
        "the topics of decisions and payments)",
    )
    for setting in WORKER_FLAGS:
        add_setting(tune, setting)
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
    """Tune the score. Raises `Failure`, `OperationError`."""
    from fraudstream.backtest.score_thresholds import TuningError
    from fraudstream.cli.tuned_content import from_files, from_state, from_topic

    of_state = args.state or args.state_export is not None
    if [bool(args.files), args.topics, of_state].count(True) != 1 or (args.state and args.state_export):
        raise Failure("give files of payments, --topics, --state or --state-export, and only one of them.")
    if args.decisions is not None and not of_state:
        raise Failure("--decisions is for --state and --state-export; files and --topics are scored anew.")
    rules = args.rules or Path(settings.rules.directory)
    rule_set = load_rule_set(rules) if of_state else _to_be_tuned(rules)
    content_from = from_state if of_state else from_topic if args.topics else from_files
    try:
        content = content_from(args, settings, rule_set, _budgets(args, rule_set))
    except TuningError as error:
        raise Failure(str(error)) from error
    _write(content, args.out or rules, json=args.json)
    return 0


def _to_be_tuned(directory: Path) -> RuleSet:
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
