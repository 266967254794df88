"""`fraudstream evaluate`: measure how well score, rules and alerts find fraud; writes a report and the figures."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fraudstream.cli.collected_decisions import collect
from fraudstream.cli.count_flag import positive_count
from fraudstream.cli.evaluation_text import print_evaluation
from fraudstream.cli.failure import Failure
from fraudstream.cli.payment_file_flags import (
    add_reading,
    description_of,
    file_failure,
    no_payment_code,
    open_payment_files,
)
from fraudstream.cli.progress import payments_progress
from fraudstream.cli.replayed_rules import add_replayed_rules, listed_values, replayed_rules
from fraudstream.cli.settings import Settings, add_setting
from fraudstream.cli.time_flags import date_ms
from fraudstream.cli.trained_folds import SCORER, train_folds
from fraudstream.cli.training_flags import add_training
from fraudstream.contracts.error_text import system_error_text

if TYPE_CHECKING:
    from fraudstream.backtest.row_report import RowReport
    from fraudstream.cli.main import Subparsers
    from fraudstream.engine.rule_set import RuleSet
    from fraudstream.evaluation.options import Options

BATCH_SIZE = 20_000
DRAWS = 200

EXAMPLES = """examples:
  fraudstream evaluate payments.parquet --mapping handbook --rules rules --out evaluated \\
      --from 2018-08-08 --until 2018-08-15 --known-since 2018-07-25
  fraudstream replay payments.parquet --mapping handbook --rules new_rules --out challenger
  fraudstream evaluate payments.parquet --mapping handbook --from 2018-08-08 --until 2018-08-15 --folds 4 --train \\
      --out trained
  fraudstream evaluate evaluated --scorer new=challenger --scorer forest=forest_scores.parquet --out compared
  fraudstream evaluate --topics --bootstrap-servers localhost:9092 --out last_week --from 2027-03-01
"""


def add_parser(subparsers: Subparsers) -> None:
    """Add `evaluate`."""
    parser = subparsers.add_parser(
        "evaluate",
        help="measure how well score and rules find fraud: a report, and the figures as JSON",
        description=(
            "Measures the decisions on labelled payments and writes report.html and evaluation.json. Give files of "
            "payments, which are replayed first, or the directory that `replay` or `evaluate` wrote, or --topics."
        ),
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("inputs", metavar="INPUT", type=Path, nargs="*", help="files of payments, or one replay's DIR")
    parser.add_argument(
        "--topics",
        action="store_true",
        help="measure what workers have decided: the topics of decisions and payments (section [topics])",
    )
    add_setting(parser, "kafka.bootstrap_servers")
    parser.add_argument("--out", metavar="DIR", type=Path, required=True, help="directory to write to")
    period = parser.add_argument_group("what is measured")
    period.add_argument("--from", dest="since", metavar="DATE", type=date_ms, help="first day (default: all)")
    period.add_argument("--until", metavar="DATE", type=date_ms, help="first day that is not measured any more")
    period.add_argument(
        "--known-since",
        metavar="DATE",
        type=date_ms,
        help="leave out accounts with a fraud since DATE that was known before, --label-delay after it",
    )
    period.add_argument(
        "--folds",
        metavar="N",
        type=positive_count,
        default=1,
        help="measure N periods of the same length that follow one another too, for mean and deviation",
    )
    period.add_argument(
        "--alerts-per-day", metavar="N", type=positive_count, default=50, help="alert budget (default: 50)"
    )
    period.add_argument("--k", metavar="N", type=positive_count, default=100, help="of Card Precision@k (default: 100)")
    period.add_argument(
        "--scorer",
        metavar="NAME=PATH",
        action="append",
        default=[],
        help="compare another scorer: a Parquet file with columns event_id and score, or another replay's DIR; may be "
        "given more than once",
    )
    period.add_argument(
        "--reference",
        metavar="FILE",
        type=Path,
        help="what drift is measured from: reference histograms as JSON, or a calibration of `score tune` (default: "
        "the payments before --from)",
    )
    period.add_argument(
        "--bootstrap", metavar="N", type=int, default=DRAWS, help=f"draws for intervals, 0: none (default: {DRAWS})"
    )
    parser.add_argument(
        "--train",
        action="store_true",
        help="train a model on the first day of the period and of each fold, from what was known then, and compare it",
    )
    add_reading(parser)
    add_replayed_rules(parser)
    add_training(parser)
    parser.add_argument(
        "--with-features", action="store_true", help="write features.parquet too, and measure the drift of features"
    )
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Evaluate; returns 1 if every row was bad. Raises `Failure`."""
    from fraudstream.backtest.row_report import RowReport
    from fraudstream.evaluation.decisions_file import DecisionsFileError, is_replay
    from fraudstream.evaluation.evaluate import NoPaymentsError
    from fraudstream.evaluation.replayed import evaluate_replay, write_evaluation
    from fraudstream.evaluation.results import encode

    _check(args)
    scorers = dict(_named_path(text) for text in args.scorer)
    options = _options(args)
    directory, report = (args.out if args.topics else args.inputs[0]), RowReport()
    if args.topics:
        collect(settings, args.out, quiet=args.json)
    elif not is_replay(directory):
        directory, report = args.out, RowReport(args.out / "bad_rows.jsonl")
        rule_set = replayed_rules(args, settings)
        if args.train:
            scorers[SCORER] = train_folds(args, settings, rule_set)
        if not _replay(args, settings, rule_set, report, options.last_end_ms):
            return no_payment_code(0, report)
    elif args.train:
        raise Failure(f"{directory} is a replay, which holds no payments to train on; give --train files of payments.")
    elif len(args.inputs) > 1:
        raise Failure(f"{directory} is a replay; give one alone, and others with --scorer NAME=DIR.")
    try:
        evaluation = evaluate_replay(directory, options, scorers, args.reference)
        title = settings.topics.decisions if args.topics else description_of(args.inputs)
        write_evaluation(evaluation, args.out, title)
    except NoPaymentsError as error:
        raise Failure(f"no payment of {directory} is {_period_text(options)}. Check --from and --until.") from error
    except DecisionsFileError as error:
        raise Failure(str(error)) from error
    except OSError as error:
        raise Failure(f"{error.filename or args.out}: {system_error_text(error)}.") from error
    if args.json:
        sys.stdout.write(encode(evaluation).decode())
    else:
        print_evaluation(evaluation, report, args.out)
    return 0


def _check(args: argparse.Namespace) -> None:
    """Raises `Failure` for flags that do not fit together."""
    if args.bootstrap < 0:
        raise Failure(f"--bootstrap {args.bootstrap}: must be 0 or more.")
    if args.since is not None and args.until is not None and args.since >= args.until:
        raise Failure("--from must be before --until, which is the first day that is not measured any more.")
    if args.folds > 1 and (args.since is None or args.until is None):
        raise Failure("--folds needs --from and --until: the first of the periods that follow one another.")
    if args.train and (args.topics or args.since is None or args.until is None):
        raise Failure("--train needs files of payments, --from and --until: it trains on the first day of each period.")
    if bool(args.inputs) == args.topics:
        raise Failure("give files of payments or the directory of a replay, or --topics, and only one of them.")


def _options(args: argparse.Namespace) -> Options:
    from fraudstream.evaluation.options import Options

    return Options(
        from_ms=args.since,
        until_ms=args.until,
        alerts_per_day=float(args.alerts_per_day),
        k=args.k,
        known_since_ms=args.known_since,
        label_delay_ms=args.label_delay,
        draws=args.bootstrap,
        folds=args.folds,
    )


def _replay(
    args: argparse.Namespace, settings: Settings, rule_set: RuleSet, report: RowReport, until_ms: int | None
) -> int:
    """Replay the files into `--out`, up to `until_ms`; the number of payments. Raises `Failure`."""
    from fraudstream.backtest.file_error import PaymentFileError
    from fraudstream.backtest.replay import replay
    from fraudstream.engine.identifier_key import key_of
    from fraudstream.evaluation.decisions_file import FEATURES

    key = key_of(settings.identifiers.given())
    files = open_payment_files(args, args.inputs, report, settings)
    features = args.out / FEATURES
    if not args.with_features:
        features.unlink(missing_ok=True)  # of an earlier run: it would not fit
    try:
        with report, payments_progress("replay", files.rows, quiet=args.json) as advance:
            summary = replay(
                rule_set,
                _up_to(files.batches(args.sort), until_ms),
                args.out,
                label_delay_ms=args.label_delay,
                batch_size=BATCH_SIZE,
                features_out=features if args.with_features else None,
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
    return summary.payments


def _up_to(batches: Iterable[Any], until_ms: int | None) -> Iterator[Any]:
    """Batches in order of time up to the one that reaches the end of the period: what comes later changes nothing."""
    from fraudstream.backtest.label_order import Events

    for batch in batches:
        yield batch
        times = batch.at_ms if isinstance(batch, Events) else batch.occurred_at_ms
        if until_ms is not None and len(times) and times[-1] >= until_ms:
            return


def _named_path(text: str) -> tuple[str, Path]:
    name, separator, path = text.partition("=")
    if not (name and separator and path):
        raise Failure(f"--scorer {text}: must be NAME=PATH, such as forest=scores.parquet.")
    return name, Path(path)


def _period_text(options: Options) -> str:
    from fraudstream.contracts.timestamps import utc_text

    begin = "" if options.from_ms is None else f" from {utc_text(options.from_ms)}"
    end = "" if options.until_ms is None else f" before {utc_text(options.until_ms)}"
    return f"there{begin}{end}" if begin or end else "there"
