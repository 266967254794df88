"""The flags of every command that trains models: what is learned from, and how trees are grown."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from fraudstream.cli.count_flag import positive_count
from fraudstream.cli.failure import Failure
from fraudstream.cli.time_flags import duration_ms

if TYPE_CHECKING:
    from fraudstream.engine.rule_set import RuleSet
    from fraudstream.learning.train import TrainingOptions
    from fraudstream.learning.training_table import Period

LONG_AGO_MS = -(1 << 60)


def add_training(parser: argparse.ArgumentParser) -> None:
    """`--calibrate`, `--inputs`, `--without`, `--genuine`, `--trees`, `--leaves`, `--seed` and `--threads`."""
    group = parser.add_argument_group("training")
    group.add_argument(
        "--calibrate", metavar="TIME", type=duration_ms, default="7d",
        help="the last part of the payments with labels, for calibration and threshold (default: 7d)",
    )  # fmt: skip
    group.add_argument(
        "--inputs",
        metavar="NAMES",
        dest="model_inputs",
        help="fields and features to learn from, with commas between them (default: all)",
    )
    group.add_argument("--without", metavar="NAMES", default="", help="fields and features to leave out")
    group.add_argument(
        "--genuine", metavar="N", type=positive_count, default=60_000,
        help="genuine payments to learn from, a sample that stands for all (default: 60000)",
    )  # fmt: skip
    group.add_argument("--trees", metavar="N", type=positive_count, default=500, help="trees (default: 500)")
    group.add_argument("--leaves", metavar="N", type=positive_count, default=31, help="leaves a tree (default: 31)")
    group.add_argument("--seed", metavar="N", type=int, default=1, help="of the trees' random choices (default: 1)")
    group.add_argument(
        "--threads", metavar="N", type=positive_count, default=1, help="do not change the model (default: 1)"
    )


def training_options(args: argparse.Namespace, alerts_a_day: float) -> TrainingOptions:
    """How trees are grown, as the flags say."""
    from fraudstream.learning.boosting import Boosting
    from fraudstream.learning.train import TrainingOptions

    return TrainingOptions(Boosting(args.trees, args.leaves, seed=args.seed), float(alerts_a_day), args.threads)


def training_period(args: argparse.Namespace, since_ms: int, until_ms: int) -> Period:
    """The period to learn from, from `since_ms` to the training at `until_ms`, ms since the epoch. Raises `Failure`."""
    from fraudstream.learning.training_table import Period

    split_ms = until_ms - args.label_delay - args.calibrate
    if since_ms >= split_ms:
        raise Failure(
            "--from leaves nothing to learn from: it must be earlier than --until less --label-delay and --calibrate."
        )
    return Period(since_ms, split_ms, until_ms, args.label_delay)


def training_inputs(args: argparse.Namespace, rule_set: RuleSet) -> list[str]:
    """The names to learn from, checked against the catalogue. Raises `InputError`."""
    from fraudstream.engine.trees.inputs import model_inputs
    from fraudstream.learning.default_inputs import default_inputs

    usual = default_inputs(rule_set.catalogue, rule_set.base_score)
    names = names_of(args.model_inputs) if args.model_inputs else list(usual)
    left_out = names_of(args.without)
    model_inputs([*names, *left_out], rule_set.catalogue, rule_set.base_score, rule_set.base_currency)
    return [name for name in names if name not in left_out]


def names_of(text: str) -> list[str]:
    """The names in a text with commas between them."""
    return [name.strip() for name in text.split(",") if name.strip()]
