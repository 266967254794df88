"""Put a rule set in force from one record of each partition on, and report which rule sets are in force."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

import msgspec
from aiokafka.errors import MessageSizeTooLargeError

from fraudstream.contracts import RuleSwitch
from fraudstream.controls.writer import rule_set_records
from fraudstream.engine.catalogue_difference import catalogue_difference
from fraudstream.engine.catalogue_reading import parse_catalogue
from fraudstream.engine.rule_set import FEATURES, RuleSet, RuleSetErrors, compile_rule_set
from fraudstream.engine.state_difference import state_difference
from fraudstream.operations.checked_text import check_identifier, check_note
from fraudstream.operations.deciding_versions import DecidingVersion, deciding_versions
from fraudstream.operations.errors import MissingTopicError, OperationError
from fraudstream.stream.checkpoints.checkpoint_record import CheckpointRecord
from fraudstream.stream.checkpoints.last_checkpoint import last_checkpoints, records_behind
from fraudstream.stream.control_log import NoTopicError, bring_lists_along, put_in_force, read_controls
from fraudstream.stream.settings import StreamSettings

BEHIND_MAX: Final = 10_000  # records of a partition: decided in a fraction of a second; a checkpoint is seconds old

Checkpoints = Mapping[int, CheckpointRecord | None]  # by partition; None where no worker has written one


class ActivatedRules(NamedTuple):
    """`rule_set` (its digest) decides from `offsets` on: {partition of the log: offset of the rule switch}.

    `state_version`: the version that decides from this switch on; None if it stays the same.
    """

    rule_set: str
    by: str
    offsets: dict[int, int]
    state_version: int | None


class RulesInForce(NamedTuple):
    """Of the stage that decides: `checkpoints`, the last one of each partition, with its rule set.

    `versions`: which state version decides each partition of the payments. `last_switch`: None before the first one.
    """

    checkpoints: Checkpoints
    versions: Mapping[int, DecidingVersion]
    last_switch: RuleSwitch | None


class MissingStateError(OperationError):
    """No worker keeps the state of `stage`, which the rules read: there is no changelog `topic`."""

    def __init__(self, topic: str, stage: StreamSettings) -> None:
        super().__init__(
            f"There is no topic '{topic}': no worker keeps the state of the stage '{stage.stage}' that these rules "
            f"read. {_backfill_first(stage)}"
        )
        self.topic = topic
        self.stage = stage.stage
        self.state_version = stage.state_version


class StateMismatchError(OperationError):
    """The rules read features that the workers' state does not hold. `rule_set`: digest of the rules in force."""

    def __init__(self, difference: str, rule_set: str, stage: StreamSettings) -> None:
        super().__init__(
            f"The workers' state does not fit these rules: {difference} (rule set in force: {rule_set}). "
            f"{_backfill_first(stage)}"
        )
        self.difference = difference
        self.rule_set = rule_set
        self.state_version = stage.state_version


class RetiredStateVersionError(OperationError):
    """`state_version` has been cut over to `successor` and decides nothing any more."""

    def __init__(self, state_version: int, successor: int) -> None:
        super().__init__(f"State version {state_version} no longer decides: set worker.state_version to {successor}.")
        self.state_version = state_version
        self.successor = successor


class UnfinishedBackfillError(OperationError):
    """`partitions_missing` of `partitions` of `topic` have no state in `state_version` yet."""

    def __init__(self, state_version: int, topic: str, partitions_missing: int, partitions: int) -> None:
        super().__init__(
            f"State version {state_version} has no state of {partitions_missing} of {partitions} partitions of {topic} "
            "yet: run `fraudstream worker --backfill` until it has caught up."
        )
        self.state_version = state_version
        self.topic = topic
        self.partitions_missing = partitions_missing
        self.partitions = partitions


class BackfillBehindError(OperationError):
    """The backfill of `state_version` is `records_behind` the end of `partition` of `topic`, more than `BEHIND_MAX`."""

    def __init__(self, state_version: int, topic: str, partition: int, records: int) -> None:
        super().__init__(
            f"State version {state_version} has not caught up: {topic}-{partition} is {records:,} records behind, at "
            f"most {BEHIND_MAX:,} are allowed. Payments would wait for it; try again later."
        )
        self.state_version = state_version
        self.topic = topic
        self.partition = partition
        self.records_behind = records


class RuleSetTooLargeError(OperationError):
    """The files of a rule set are more than one record of the topic `topic` may hold."""

    def __init__(self, topic: str, detail: str) -> None:
        super().__init__(f"The rule set is too large for the topic '{topic}': {detail.rstrip('.')}.")
        self.topic = topic


async def activate_rules(
    stages: Sequence[StreamSettings], rule_set: RuleSet, *, by: str, issued_at_ms: int, note: str | None = None
) -> ActivatedRules:
    """Write the rules to the topic of controls and a rule switch to every partition of the log that decides.

    `stages`: the settings of each stage that these rules need, in order. Rules that need another state version than the
    one in force cut over to it, once its backfill has caught up. Repeating it changes nothing: after an error, repeat
    it. The rules' own test cases are for the caller to run first.

    Raises `InvalidValueError`, `MissingTopicError`, `MissingStateError`, `StateMismatchError`,
    `RetiredStateVersionError`, `UnfinishedBackfillError`, `BackfillBehindError`, `RuleSetTooLargeError`, and what
    aiokafka raises.
    """
    check_identifier(by, "by")
    check_note(note)
    first, deciding = stages[0], stages[-1]
    try:
        checkpoints = [await _checkpoints(stage) for stage in stages]
        await _check_state(deciding, rule_set, checkpoints[-1].values(), forwarded=first is not deciding)
        version = await _version_to_cut_over_to(stages, checkpoints)
        artefacts = [artefact.content for artefact in rule_set.artefacts.values()]
        stored = rule_set_records(rule_set.digest, rule_set.files, artefacts)
        switch = RuleSwitch(rule_set.digest, by, issued_at_ms, note)
        if version is None:
            return ActivatedRules(rule_set.digest, by, await put_in_force(deciding, stored, [switch]), None)
        await bring_lists_along(deciding)
        if first is not deciding:  # it decides by these rules before a payment reaches it
            await put_in_force(deciding, stored, [switch])
        cut_over = msgspec.structs.replace(switch, state_version=version)
        offsets = await put_in_force(first, stored, [cut_over], [first.input_topic])
        return ActivatedRules(rule_set.digest, by, offsets, version)
    except NoTopicError as error:
        raise MissingTopicError(deciding.brokers.servers, error.topic) from error
    except MessageSizeTooLargeError as error:
        raise RuleSetTooLargeError(deciding.controls_topic, str(error)) from error


async def rules_in_force(stages: Sequence[StreamSettings]) -> RulesInForce:
    """Which rules and which state versions decide, by the workers' last checkpoints, and the last rule switch.

    `stages`: the settings of each stage, in order. Where all payments have one stage, a partition that was cut over has
    the checkpoint of the version that decides it. Raises `MissingTopicError`, and what aiokafka raises.
    """
    first, deciding = stages[0], stages[-1]
    try:
        versions = await deciding_versions(first)
        if first is deciding:
            checkpoints: Checkpoints = {number: found.checkpoint for number, found in versions.items()}
        else:
            checkpoints = await last_checkpoints(deciding)
        return RulesInForce(checkpoints, versions, (await read_controls(deciding)).switch)
    except NoTopicError as error:
        raise MissingTopicError(deciding.brokers.servers, error.topic) from error


async def _checkpoints(stage: StreamSettings) -> Checkpoints:
    """Raises `MissingStateError` where no worker keeps the stage."""
    try:
        return await last_checkpoints(stage)
    except NoTopicError as error:
        raise MissingStateError(error.topic, stage) from error


async def _check_state(
    deciding: StreamSettings, rule_set: RuleSet, checkpoints: Iterable[CheckpointRecord | None], *, forwarded: bool
) -> None:
    """The workers' state must fit the new rules. `forwarded`: as of `state_difference`. Raises
    `StateMismatchError`."""
    in_force = {checkpoint.rule_set for checkpoint in checkpoints if checkpoint is not None} - {rule_set.digest}
    stored = (await read_controls(deciding)).rule_sets
    for digest in sorted(in_force & stored.keys()):
        difference = _difference(stored[digest], rule_set, forwarded)
        if difference is not None:
            raise StateMismatchError(difference, digest, deciding)


def _difference(in_force: Mapping[str, str], rule_set: RuleSet, forwarded: bool) -> str | None:
    """Why the state under the rules in force does not fit; `in_force`: their files."""
    difference = catalogue_difference(parse_catalogue(in_force[FEATURES], accepted=True), rule_set.catalogue)
    if difference is not None:
        return difference
    artefacts = {artefact.digest: artefact.content for artefact in rule_set.artefacts.values()}
    try:
        return state_difference(
            compile_rule_set(in_force, None, artefacts, accepted=True), rule_set, forwarded=forwarded
        )
    except RuleSetErrors:  # for want of an artefact: the switch in the log is refused if the score does not fit
        return None


async def _version_to_cut_over_to(stages: Sequence[StreamSettings], checkpoints: Sequence[Checkpoints]) -> int | None:
    """The state version that the switch cuts over to, if its backfill is done and waits for that; else None.

    Raises `UnfinishedBackfillError`, `BackfillBehindError`, `RetiredStateVersionError`.
    """
    version = stages[0].state_version
    found = [{n: c for n, c in of_stage.items() if c is not None} for of_stage in checkpoints]
    successors = [checkpoint.cut_over_to for checkpoint in found[0].values() if checkpoint.cut_over_to is not None]
    if successors:
        raise RetiredStateVersionError(version, max(successors))
    for stage, known, held in zip(stages, checkpoints, found, strict=True):
        if version > 1 and len(held) < len(known):
            raise UnfinishedBackfillError(version, stage.input_topic, len(known) - len(held), len(known))
    if not any(checkpoint.backfilling for checkpoint in found[0].values()):
        return None
    for stage, held in zip(stages, found, strict=True):
        behind = await records_behind(stage, held)
        worst = max(behind, key=behind.__getitem__)
        if behind[worst] > BEHIND_MAX:
            raise BackfillBehindError(version, stage.input_topic, worst, behind[worst])
    return version


def _backfill_first(stage: StreamSettings) -> str:
    """What to do if the state that the rules need does not exist."""
    return (
        "Backfill the state of the new features first: set worker.state_version to "
        f"{stage.state_version + 1}, and run `fraudstream topics apply` and `fraudstream worker --backfill`."
    )
