"""`fraudstream evaluate --train`: a model for each fold, trained on the fold's first day, as a scorer to compare."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from fraudstream.cli.failure import Failure
from fraudstream.cli.model_files import write_model
from fraudstream.cli.payment_file_flags import file_failure, open_payment_files
from fraudstream.cli.progress import payments_progress
from fraudstream.cli.settings import Settings
from fraudstream.cli.training_flags import LONG_AGO_MS, training_inputs, training_options, training_period
from fraudstream.contracts.error_text import system_error_text

if TYPE_CHECKING:
    from fraudstream.engine.rule_set import RuleSet
    from fraudstream.learning.walk_forward import ScoredFolds

SCORER = "model"  # under which the models of all folds are compared
SCORES = "model_scores.parquet"


def train_folds(args: argparse.Namespace, settings: Settings, rule_set: RuleSet) -> Path:
    """Train the models and write them and their scores into `--out`; the path of the scores. Raises `Failure`."""
    from fraudstream.backtest.file_error import PaymentFileError
    from fraudstream.backtest.row_report import RowReport
    from fraudstream.engine.identifier_key import key_of
    from fraudstream.engine.trees.inputs import InputError
    from fraudstream.learning.errors import LearningError, library
    from fraudstream.learning.known_labels import labels_given
    from fraudstream.learning.walk_forward import FoldToTrain, walk_forward

    starts = [args.since + number * (args.until - args.since) for number in range(args.folds)]
    try:
        library("lightgbm")
        inputs = training_inputs(args, rule_set)
        files = open_payment_files(args, args.inputs, RowReport(), settings)  # `evaluate` has reported the bad rows
        given = labels_given(files.batches(args.sort), starts) if args.mapping is None else None
        folds = [
            FoldToTrain(
                training_period(args, LONG_AGO_MS, start),
                start + args.until - args.since,
                None if given is None else given[number],
            )
            for number, start in enumerate(starts)
        ]
        with payments_progress("train", files.rows, quiet=args.json) as advance:
            scored = walk_forward(
                rule_set,
                files.batches(args.sort),
                inputs,
                folds,
                args.genuine,
                training_options(args, args.alerts_per_day),
                digest_key=key_of(settings.identifiers.given()),
                progress=lambda payments, frauds: advance(payments, 0),
            )
    except (LearningError, InputError) as error:
        raise Failure(str(error)) from error
    except PaymentFileError as error:
        raise file_failure(error) from error
    _write(scored, args.out, starts)
    return Path(args.out) / SCORES


def _write(scored: ScoredFolds, out: Path, starts: Iterable[int]) -> None:
    """Write the scores, and each model with its card. Raises `Failure`."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from fraudstream.contracts.timestamps import utc_text

    try:
        out.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table({"event_id": scored.event_ids, "score": scored.scores}), out / SCORES)
    except OSError as error:
        raise Failure(f"the scores can't be written to {out}: {system_error_text(error)}.") from error
    for start, model in zip(starts, scored.models, strict=False):  # a fold after the last payment has no model
        write_model(model, out, f"{SCORER}_{utc_text(start)[:10].replace('-', '_')}")
