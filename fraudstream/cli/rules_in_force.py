"""`fraudstream rules activate` and `rules active`: which rule set judges, from which record of each partition on."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from fraudstream.cli import controls
from fraudstream.cli.failure import Failure
from fraudstream.cli.rule_files import fault_list, load_rule_set, rule_texts
from fraudstream.cli.settings import Settings

if TYPE_CHECKING:
    from fraudstream.engine.rule_set import RuleSet
    from fraudstream.stream.checkpoints.changelog import CheckpointRecord
    from fraudstream.stream.settings import StreamSettings

    Checkpoints = Mapping[int, CheckpointRecord | None]  # by partition, None where no worker has been

BEHIND_MAX = 10_000  # records a partition; judged in a blink, and a checkpoint is always some seconds old


def activate(args: argparse.Namespace, settings: Settings) -> int:
    from fraudstream.cli.worker import stage_settings
    from fraudstream.contracts import RuleSwitch
    from fraudstream.controls.writer import rule_set_records
    from fraudstream.stream.control_log import bring_lists_along, put_in_force

    directory = args.directory or Path(settings.rules.directory)
    rule_set = load_rule_set(directory)
    if not args.skip_tests:
        _test(rule_set, directory)
    stages, by = stage_settings(settings, rule_set), controls.author(args)
    first, stream = stages[0], stages[-1]

    async def work() -> dict[int, int]:
        checkpoints = [await _checkpoints(stage) for stage in stages]
        await _check_memory(stream, rule_set, checkpoints[-1].values())
        version = await _version_to_begin(stages, checkpoints)
        artefacts = [artefact.content for artefact in rule_set.artefacts.values()]
        stored = rule_set_records(rule_set.digest, rule_set.files, artefacts)
        switch = RuleSwitch(rule_set.digest, by, controls.now_ms(), args.note)
        if version is None:
            return await put_in_force(stream, stored, [switch])
        await bring_lists_along(stream)
        if first is not stream:  # it judges by these rules before there is a payment for it to decide
            await put_in_force(stream, stored, [switch])
        handover = msgspec.structs.replace(switch, state_version=version)
        return await put_in_force(first, stored, [handover], [first.input_topic])

    offsets = controls.asked(stream, work())
    if args.json:
        print(json.dumps({"rule_set": rule_set.digest, "by": by, "offsets": offsets}))
    else:
        print(f"rule set {rule_set.digest} is in force:")
        for partition, offset in offsets.items():
            print(f"  partition {partition} from offset {offset} on")
    return 0


def active(args: argparse.Namespace, settings: Settings) -> int:
    from fraudstream.cli.worker import stage_settings
    from fraudstream.contracts import RuleSwitch
    from fraudstream.stream.checkpoints.last_checkpoint import last_checkpoints
    from fraudstream.stream.control_log import read_controls

    *_, stream = stage_settings(settings, load_rule_set(Path(settings.rules.directory)))

    async def work() -> tuple[dict[int, CheckpointRecord | None], RuleSwitch | None]:
        return await last_checkpoints(stream), (await read_controls(stream)).switch

    found, switch = controls.asked(stream, work())
    rows = [
        {
            "partition": partition,
            "rule_set": None if checkpoint is None else checkpoint.rule_set,
            "offset": None if checkpoint is None else checkpoint.next_offset,
        }
        for partition, checkpoint in found.items()
    ]
    if args.json:
        print(json.dumps({"partitions": rows, "last_switch": None if switch is None else msgspec.to_builtins(switch)}))
        return 0
    for row in rows:
        if row["rule_set"] is None:
            print(f"partition {row['partition']}: none yet, the first worker begins with its own")
        else:
            print(f"partition {row['partition']}: {row['rule_set']}, checkpoint at {row['offset']}")
    if switch is not None:
        note = f": {switch.note}" if switch.note else ""
        print(f"last switch: {switch.rule_set} by {switch.by} at {controls.time_text(switch.issued_at_ms)}{note}")
    return 0


def _test(rule_set: RuleSet, directory: Path) -> None:
    from fraudstream.backtest.rule_cases import run_rule_cases
    from fraudstream.engine.document import DocumentErrors

    try:
        results = run_rule_cases(rule_set, rule_texts(directory)).results
    except DocumentErrors as errors:
        raise Failure(fault_list(errors, directory)) from errors
    failed = [result for result in results if not result.passed]
    if failed:
        first = failed[0]
        raise Failure(
            f"{len(failed)} of {len(results)} cases fail, first {directory / first.case.path}:{first.case.line}: "
            f"{first.case.name}. `fraudstream rules test` shows all; --skip-tests activates all the same."
        )


async def _checkpoints(stage: StreamSettings) -> Checkpoints:
    """Raises `Failure` where no worker keeps the stage."""
    from fraudstream.stream.checkpoints.last_checkpoint import last_checkpoints
    from fraudstream.stream.control_log import NoTopicError

    try:
        return await last_checkpoints(stage)
    except NoTopicError as error:
        raise Failure(
            f"There is no topic '{error}': nobody keeps the memory of the stage '{stage.stage}' that these rules read. "
            f"{_beside(stage)}"
        ) from error


def _beside(stream: StreamSettings) -> str:
    return (
        "Build the memory of the new features beside it first: set worker.state_version to "
        f"{stream.state_version + 1}, and run `fraudstream topics apply` and `fraudstream worker --backfill`."
    )


async def _check_memory(
    stream: StreamSettings, rule_set: RuleSet, checkpoints: Iterable[CheckpointRecord | None]
) -> None:
    """The workers' memory must be what the new rules read. Raises `Failure`."""
    from fraudstream.engine.catalogue import parse_catalogue
    from fraudstream.engine.catalogue_difference import catalogue_difference
    from fraudstream.engine.rule_set import FEATURES
    from fraudstream.stream.control_log import read_controls

    in_force = {checkpoint.rule_set for checkpoint in checkpoints if checkpoint is not None} - {rule_set.digest}
    stored = (await read_controls(stream)).rule_sets
    for digest in sorted(in_force & stored.keys()):
        difference = catalogue_difference(parse_catalogue(stored[digest][FEATURES]), rule_set.catalogue)
        if difference is not None:
            raise Failure(
                f"The workers' memory is not what these rules read: {difference} (rule set in force: {digest}). "
                f"{_beside(stream)}"
            )


async def _version_to_begin(stages: Sequence[StreamSettings], checkpoints: Sequence[Checkpoints]) -> int | None:
    """The state version that the switch hands the log over to, if its memory is built and waits for that.

    Raises `Failure` where it is not built far enough, or decides no more.
    """
    from fraudstream.stream.checkpoints.last_checkpoint import records_behind

    version = stages[0].state_version
    found = [{n: c for n, c in of_stage.items() if c is not None} for of_stage in checkpoints]
    gone = [checkpoint.cut_over_to for checkpoint in found[0].values() if checkpoint.cut_over_to is not None]
    if gone:
        raise Failure(f"State version {version} decides no more: set worker.state_version to {max(gone)}.")
    for stage, known, held in zip(stages, checkpoints, found, strict=True):
        if version > 1 and len(held) < len(known):
            raise Failure(
                f"State version {version} has no memory of {len(known) - len(held)} of {len(known)} partitions of "
                f"{stage.input_topic} yet: run `fraudstream worker --backfill` until it has caught up."
            )
    if not any(checkpoint.backfilling for checkpoint in found[0].values()):
        return None
    for stage, held in zip(stages, found, strict=True):
        behind = await records_behind(stage, held)
        worst = max(behind, key=behind.__getitem__)
        if behind[worst] > BEHIND_MAX:
            raise Failure(
                f"State version {version} has not caught up: {stage.input_topic}-{worst} is {behind[worst]:,} records "
                f"behind, {BEHIND_MAX:,} may be. Payments would wait for it; try again later."
            )
    return version
