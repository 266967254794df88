"""`fraudstream train`: learn a model from labelled payments and write it as an artefact for a rules directory."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from fraudstream.cli.failure import Failure
from fraudstream.cli.model_files import write_model
from fraudstream.cli.payment_file_flags import add_payment_file, file_failure, open_payment_files, skipped_rows_text
from fraudstream.cli.progress import payments_progress
from fraudstream.cli.settings import Settings, add_setting
from fraudstream.cli.time_flags import add_label_delay, date_ms
from fraudstream.cli.training_flags import LONG_AGO_MS, add_training, training_inputs, training_options, training_period

if TYPE_CHECKING:
    from fraudstream.cli.main import Subparsers

BAD_ROWS = "bad_rows.jsonl"


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
    add_label_delay(parser)
    parser.add_argument(
        "--alerts-per-day", metavar="N", type=float, default=50.0, help="sets the threshold (default: 50)"
    )
    add_training(parser)
    add_setting(parser, "identifiers.secret_file", "--identifier-secret")
    parser.add_argument("--json", action="store_true", help="print the card as JSON")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Train the model. Raises `Failure`."""
    from fraudstream.backtest.file_error import PaymentFileError
    from fraudstream.backtest.row_report import RowReport
    from fraudstream.cli.rule_files import load_rule_set
    from fraudstream.engine.identifier_key import key_of
    from fraudstream.engine.trees.inputs import InputError
    from fraudstream.learning.errors import LearningError, library
    from fraudstream.learning.known_labels import labels_given
    from fraudstream.learning.train import train
    from fraudstream.learning.training_table import training_table

    rule_set = load_rule_set(args.rules or Path(settings.rules.directory))
    period, report = training_period(args, args.since, args.until), RowReport(args.out / BAD_ROWS)
    try:
        library("lightgbm")  # before a long run, not after it
        inputs = training_inputs(args, rule_set)
        files = open_payment_files(args, args.files, report, settings)
        given = labels_given(files.batches(args.sort), [period.until_ms]) if args.mapping is None else None
        with report, payments_progress("train", files.rows, quiet=args.json) as advance:
            table = training_table(
                rule_set,
                files.batches(args.sort),
                inputs,
                period,
                args.genuine,
                labels=None if given is None else given[0],
                digest_key=key_of(settings.identifiers.given()),
                progress=lambda payments, frauds: advance(payments, 0),
            )
        model = train(rule_set, table, period, training_options(args, args.alerts_per_day))
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
