"""What `fraudstream score tune` learns from: files, the payments topic, or the state of workers."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from fraudstream.cli.cluster_command import run_on_cluster
from fraudstream.cli.collected_decisions import collect
from fraudstream.cli.failure import Failure
from fraudstream.cli.payment_file_flags import file_failure, open_payment_files
from fraudstream.cli.progress import payments_progress
from fraudstream.cli.settings import Settings

if TYPE_CHECKING:
    from fraudstream.backtest.score_thresholds import ScoredPayments
    from fraudstream.engine.learned_score.calibration import Budget, CalibrationContent
    from fraudstream.engine.learned_score.score_state import ScoreState
    from fraudstream.engine.learned_score.scorer import EvidenceScorer
    from fraudstream.engine.rule_set import RuleSet

BATCH_SIZE: Final = 20_000


def from_files(
    args: argparse.Namespace, settings: Settings, rule_set: RuleSet, budgets: Sequence[Budget]
) -> CalibrationContent:
    """Of a score that learns from files. `rule_set`: compiled `to_be_tuned`. Raises `Failure`, `TuningError`."""
    from fraudstream.backtest.file_error import PaymentFileError
    from fraudstream.backtest.row_report import RowReport
    from fraudstream.backtest.score_tuning import tune
    from fraudstream.engine.identifier_key import key_of

    report = RowReport()
    files = open_payment_files(args, args.files, report, settings)
    try:
        with report, payments_progress("tune", files.rows, quiet=args.json) as advance:
            return tune(
                rule_set,
                files.batches(args.sort),
                budgets,
                label_delay_ms=args.label_delay,
                span_ms=args.span,
                batch_size=BATCH_SIZE,
                digest_key=key_of(settings.identifiers.given()),
                progress=advance,
            )
    except PaymentFileError as error:
        raise file_failure(error) from error


def from_topic(
    args: argparse.Namespace, settings: Settings, rule_set: RuleSet, budgets: Sequence[Budget]
) -> CalibrationContent:
    """Of a score that learns from the payments topic. `rule_set`: compiled `to_be_tuned`. Raises `OperationError`,
    `TuningError`."""
    from fraudstream.backtest.label_order import Events
    from fraudstream.backtest.score_tuning import Tuning
    from fraudstream.contracts.control import ListEntry
    from fraudstream.engine.identifier_key import key_of
    from fraudstream.kafka.topic_reader import TopicReader
    from fraudstream.operations.payments_in_order import payments_in_order

    brokers, topic = settings.kafka.brokers(), settings.topics.payments
    committed_only, signatures = settings.worker.checkpoint_mode == "transaction", settings.signatures.given()
    tuning = Tuning(rule_set, key_of(settings.identifiers.given()))

    async def learn() -> None:
        with payments_progress("tune", None, quiet=args.json) as advance:
            async with payments_in_order(
                lambda: TopicReader(brokers, committed_only=committed_only),
                topic,
                brokers.servers,
                signatures=signatures,
            ) as parts:
                async for part in parts:
                    if isinstance(part, ListEntry):
                        tuning.change_list(part)
                    else:
                        advance(tuning.add(Events(*part)), 0)

    run_on_cluster(brokers, learn)
    return tuning.calibration(budgets, args.span)


def from_state(
    args: argparse.Namespace, settings: Settings, rule_set: RuleSet, budgets: Sequence[Budget]
) -> CalibrationContent:
    """Of what the partitions of workers have learned, merged. `rule_set`: that of the workers. Raises `Failure`,
    `OperationError`, `TuningError`."""
    from fraudstream.backtest.score_thresholds import calibration_of
    from fraudstream.backtest.score_tuning import evidence_score
    from fraudstream.engine.learned_score.merging import merge
    from fraudstream.engine.learned_score.scoring import new_score_state

    scorer = evidence_score(rule_set)
    if not scorer.learns:
        raise Failure("the score has 'learning: off': its partitions learn nothing. Give files or --topics.")
    learned = merge(_learned(args, settings, rule_set, scorer), new_score_state(scorer))
    return calibration_of(scorer, learned, _decided(args, settings, rule_set, scorer), budgets, args.span)


def _learned(
    args: argparse.Namespace, settings: Settings, rule_set: RuleSet, scorer: EvidenceScorer
) -> list[ScoreState]:
    from fraudstream.cli.worker import stages_of_workers
    from fraudstream.engine.engine import Engine
    from fraudstream.operations.learned_scores import learned_in_changelog, learned_in_export

    directory: Path | None = args.state_export
    if directory is not None:
        whole = Engine(rule_set)
        return learned_in_export(
            directory, scorer, [e.new_state().layout for e in (whole, whole.of_stage(whole.stages[-1]))]
        )
    stage, engine = stages_of_workers(settings, rule_set)[-1]
    layout = engine.new_state().layout
    return run_on_cluster(stage.brokers, lambda: learned_in_changelog(stage, scorer, [layout]))


def _decided(args: argparse.Namespace, settings: Settings, rule_set: RuleSet, scorer: EvidenceScorer) -> ScoredPayments:
    """The payments as the score has decided them: of a directory, or of the topics."""
    if args.decisions is not None:
        return _scored(args.decisions)
    if rule_set.scorer is not scorer:
        raise Failure("a model decides beside the score, so the decisions don't tell its scores: give --decisions DIR.")
    with TemporaryDirectory(prefix="fraudstream-tune-") as directory:
        collect(settings, Path(directory), quiet=args.json)
        return _scored(Path(directory))


def _scored(directory: Path) -> ScoredPayments:
    """The payments of `decisions.parquet`, by the rule set's score. Raises `Failure`."""
    import numpy as np

    from fraudstream.backtest.score_thresholds import ScoredPayments
    from fraudstream.contracts.error_text import system_error_text
    from fraudstream.engine.scorer import POINTS_MAX
    from fraudstream.evaluation.decisions_file import SCORE, DecisionsFileError, read_replay

    try:
        payments = read_replay(directory).payments
    except DecisionsFileError as error:
        raise Failure(str(error)) from error
    except OSError as error:
        raise Failure(f"{error.filename or directory}: {system_error_text(error)}.") from error
    points = np.rint(payments.scores[SCORE] * POINTS_MAX).astype(np.int32)
    return ScoredPayments(points, payments.label, payments.occurred_at_ms)
