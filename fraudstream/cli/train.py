"""`fraudstream train`: learn a model from labelled payments and write it as an artefact for a rules directory."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from fraudstream.cli.count_flag import positive_count
from fraudstream.cli.failure import Failure
from fraudstream.cli.model_files import write_model
from fraudstream.cli.payment_file_flags import add_payment_file, file_failure, open_payment_files, skipped_rows_text
from fraudstream.cli.progress import payments_progress
from fraudstream.cli.settings import Settings, add_setting
from fraudstream.cli.time_flags import add_label_delay, date_ms, duration_ms

if TYPE_CHECKING:
    from fraudstream.cli.main import Subparsers
    from fraudstream.engine.rule_set import RuleSet
    from fraudstream.learning.training_table import Period

BAD_ROWS = "bad_rows.jsonl"
LONG_AGO_MS = -(1 << 60)


def add_parser(subparsers: Subparsers) -> None:
    """Add `train`."""
    parser = subparsers.add_parser(
        "train",
        help="learn a model from labelled payments",
        description=(
            "Runs the engine over the payments before --until, learns from those whose label was known by then, and "
            "writes the model as DIR/artefacts/DIGEST with its card. Nothing after --until is read."
        ),
        epilog=(
            "example:\n  fraudstream train payments.parquet --mapping handbook --rules rules --until 2018-08-08 "
            "--out trained --name trees_2018q3"
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_payment_file(parser)
    parser.add_argument("--rules", metavar="DIR", type=Path, help="directory of rules (setting rules.directory)")
    parser.add_argument("--out", metavar="DIR", type=Path, required=True, help="directory to write to")
    parser.add_argument("--name", default="trees", help="name of the artefact (default: trees)")
    parser.add_argument(
        "--until", metavar="DATE", type=date_ms, required=True, help="the day on which the model is trained, UTC"
    )
    parser.add_argument(
        "--from", metavar="DATE", type=date_ms, dest="since", default=LONG_AGO_MS,
        help="learn from payments from here on; earlier ones only fill the state",
    )  # fmt: skip
    parser.add_argument(
        "--calibrate", metavar="TIME", type=duration_ms, default="7d",
        help="the last part of the payments with labels, for calibration and threshold (default: 7d)",
    )  # fmt: skip
    add_label_delay(parser)
    parser.add_argument(
        "--inputs", metavar="NAMES", help="fields and features to learn from, with commas between them (default: all)"
    )
    parser.add_argument("--without", metavar="NAMES", default="", help="fields and features to leave out")
    parser.add_argument(
        "--alerts-per-day", metavar="N", type=float, default=50.0, help="sets the threshold (default: 50)"
    )
    parser.add_argument(
        "--genuine", metavar="N", type=positive_count, default=60_000,
        help="genuine payments to learn from, a sample that stands for all (default: 60000)",
    )  # fmt: skip
    parser.add_argument("--trees", metavar="N", type=positive_count, default=500, help="trees (default: 500)")
    parser.add_argument("--leaves", metavar="N", type=positive_count, default=31, help="leaves a tree (default: 31)")
    parser.add_argument("--seed", metavar="N", type=int, default=1, help="of the trees' random choices (default: 1)")
    parser.add_argument(
        "--threads", metavar="N", type=positive_count, default=1, help="do not change the model (default: 1)"
    )
    add_setting(parser, "identifiers.secret_file", "--identifier-secret")
    parser.add_argument("--json", action="store_true", help="print the card as JSON")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Train the model. Raises `Failure`."""
    from fraudstream.backtest.file_error import PaymentFileError
    from fraudstream.backtest.row_report import RowReport
    from fraudstream.cli.rule_files import load_rule_set
    from fraudstream.engine.identifier_key import key_of
    from fraudstream.engine.trees.inputs import InputError
    from fraudstream.learning.boosting import Boosting
    from fraudstream.learning.errors import LearningError, library
    from fraudstream.learning.known_labels import labels_given
    from fraudstream.learning.train import TrainingOptions, train
    from fraudstream.learning.training_table import training_table

    rule_set = load_rule_set(args.rules or Path(settings.rules.directory))
    period, report = _period(args), RowReport(args.out / BAD_ROWS)
    try:
        library("lightgbm")  # before a long run, not after it
        inputs = _inputs(args, rule_set)
        files = open_payment_files(args, args.files, report)
        given = labels_given(files.batches(args.sort), period.until_ms) if args.mapping is None else {}
        with report, payments_progress("train", files.rows, quiet=args.json) as advance:
            table = training_table(
                rule_set,
                files.batches(args.sort),
                inputs,
                period,
                args.genuine,
                labels=given,
                digest_key=key_of(settings.identifiers.given()),
                progress=lambda payments, frauds: advance(payments, 0),
            )
        boosting = Boosting(trees=args.trees, leaves=args.leaves, seed=args.seed)
        model = train(rule_set, table, period, TrainingOptions(boosting, args.alerts_per_day, args.threads))
    except (LearningError, InputError) as error:
        raise Failure(str(error)) from error
    except PaymentFileError as error:
        raise file_failure(error) from error
    written = write_model(model, args.out, args.name)
    if args.json:
        sys.stdout.write(written.card_json)
        return 0
    for line in (*skipped_rows_text(report), *report.notices):
        print(line)
    later, data = model.card["later_payments"], model.card["data"]
    print(
        f"Learned from {data['frauds']:,} frauds and {data['genuine']:,} genuine payments, {len(model.inputs)} inputs. "
        f"On later payments: AUC {later['auc']}, average precision {later['average_precision']}, at "
        f"{args.alerts_per_day:g} alerts a day precision {later['precision']} and recall {later['recall']}."
    )
    print(written.how_to_use)
    return 0


def _period(args: argparse.Namespace) -> Period:
    from fraudstream.learning.training_table import Period

    known_until_ms = args.until - args.label_delay
    split_ms = known_until_ms - args.calibrate
    if args.since >= split_ms:
        raise Failure(
            "--from leaves nothing to learn from: it must be earlier than --until less --label-delay and --calibrate."
        )
    return Period(args.since, split_ms, args.until, args.label_delay)


def _inputs(args: argparse.Namespace, rule_set: RuleSet) -> list[str]:
    """The names to learn from, checked against the catalogue. Raises `InputError`."""
    from fraudstream.engine.trees.inputs import model_inputs
    from fraudstream.learning.default_inputs import default_inputs

    usual = default_inputs(rule_set.catalogue, rule_set.base_score)
    names = names_of(args.inputs) if args.inputs else list(usual)
    left_out = names_of(args.without)
    model_inputs([*names, *left_out], rule_set.catalogue, rule_set.base_score)
    return [name for name in names if name not in left_out]


def names_of(text: str) -> list[str]:
    """The names in a text with commas between them."""
    return [name.strip() for name in text.split(",") if name.strip()]
