"""Collects the decisions of a cluster into a directory, for the commands that measure them or tune by them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from fraudstream.cli.cluster_command import run_on_cluster
from fraudstream.cli.failure import Failure
from fraudstream.cli.progress import reading_progress
from fraudstream.cli.settings import Settings
from fraudstream.contracts.error_text import system_error_text

if TYPE_CHECKING:
    from fraudstream.operations.collect_decisions import Collected


def collect(settings: Settings, out: Path, *, quiet: bool) -> None:
    """Write `decisions.parquet` of the topics to `out`, and print how many there are unless `quiet`. Raises `Failure`,
    `OperationError`."""
    from fraudstream.evaluation.decisions_file import FEATURES, SUMMARY
    from fraudstream.operations.collect_decisions import collect_decisions

    brokers = settings.kafka.brokers()
    for name in (FEATURES, SUMMARY):  # of an earlier run: they would not fit
        (out / name).unlink(missing_ok=True)

    async def work() -> Collected:
        with reading_progress(quiet=quiet) as progress:
            return await collect_decisions(
                brokers,
                out,
                log=settings.topics.payments,
                decisions=settings.topics.decisions,
                committed_only=settings.worker.checkpoint_mode == "transaction",
                progress=progress,
                signatures=settings.signatures.given(),
            )

    try:
        collected = run_on_cluster(brokers, work)
    except OSError as error:
        raise Failure(f"the results can't be written to {out}: {system_error_text(error)}.") from error
    if not quiet:
        left = f"; {collected.without_payment:,} on payments no longer in the log" if collected.without_payment else ""
        print(f"{collected.decisions:,} decisions, {collected.labelled:,} of them on labelled payments{left}.")
