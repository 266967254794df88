"""Controls in a partition's log, decoded and applied to its state: rule-set switches, list entries, cut-over."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from fraudstream.contracts.control import Control, ListEntry, RuleSwitch
from fraudstream.contracts.control_characters import control_character_path
from fraudstream.contracts.log_record import LogRecord
from fraudstream.contracts.record_signature import SigningSecrets
from fraudstream.contracts.undecodable import UNDECODABLE
from fraudstream.engine.columns import Rejection
from fraudstream.engine.engine import Engine
from fraudstream.engine.list_declarations import entry_value
from fraudstream.engine.partition_state import PartitionState
from fraudstream.engine.rule_set import RuleSet
from fraudstream.engine.state_difference import state_difference

_decode = msgspec.json.Decoder(Control).decode


def decode_control(position: int, record: LogRecord) -> Control | Rejection:
    """The control in a record with the control header, or why there is none. `position`: index of the record."""
    try:
        control: Control = _decode(record.value or b"")
    except (*UNDECODABLE, ValueError) as error:
        sentence, _, path = str(error).splitlines()[0].partition(" - at `")
        return Rejection(position, "control", f"Not a control: {sentence.rstrip('.')}.", path.rstrip("`") or "$")
    if (at := control_character_path(control)) is not None:
        return Rejection(
            position, "control", "Not a control: an identifier holds a control character, such as a line break.", at
        )
    return control


def read_control(secrets: SigningSecrets | None, position: int, record: LogRecord) -> Control | Rejection:
    """As `decode_control`, of a control that must be signed. `secrets`: None if it need not be."""
    fault = None if secrets is None else secrets.fault(record)
    return decode_control(position, record) if fault is None else Rejection(position, "signature", fault, "$")


def apply_control(
    engines: Mapping[str, Engine], state: PartitionState, position: int, record: LogRecord
) -> list[Rejection]:
    """Apply a control to the state; a control that is refused changes nothing. Returns the refusal, if any.

    `engines`: by the digest of their rule set, that in force among them. `position`: index of the record.
    """
    control = read_control(engines[state.rule_set].signatures.controls, position, record)
    if isinstance(control, Rejection):
        return [control]
    if isinstance(control, RuleSwitch):
        refusal = _switch(engines, state, control)
        return [] if refusal is None else [refusal._replace(position=position)]
    fault = change_list(engines[state.rule_set].rule_set, state, control)
    return [] if fault is None else [Rejection(position, "control", fault, "$.value")]


def change_list(rule_set: RuleSet, state: PartitionState, entry: ListEntry) -> str | None:
    """Put the value of an entry on its list, or take it off. Returns why it is refused, None if it is not."""
    if entry.removed:
        state.lists.remove(entry.list, entry.value)
        return None
    declared = rule_set.lists.get(entry.list)
    try:
        if declared is not None:
            entry_value(declared, entry.value)
    except ValueError as error:
        return f"Not an entry of the list '{entry.list}': {error}"
    state.lists.put(entry.list, entry.value, entry.expires_at_ms)
    return None


def cut_over_to(state: PartitionState, version: int | None) -> None:
    """Cut over to the state version `version`, if a switch names one.

    If it is the state's own, its backfill ends. If it is a later one, this state stops, unless it is itself still being
    backfilled.
    """
    if version == state.state_version:
        state.backfilling = False  # whatever the rules: no other version decides from here on
    elif version is not None and version > state.state_version and not state.backfilling:
        state.cut_over_to = version


def _switch(engines: Mapping[str, Engine], state: PartitionState, switch: RuleSwitch) -> Rejection | None:
    """Apply a rule-set switch; returns why it is refused, None if it is not."""
    digest, version = switch.rule_set, switch.state_version
    if state.backfilling and version != state.state_version:
        return None  # it is for the version that decides
    cut_over_to(state, version)
    if state.cut_over:
        return None
    if version is not None and version < state.state_version:
        return _refusal(
            f"State version {version} no longer decides here: version {state.state_version} does.", "$.state_version"
        )
    engine = engines.get(digest)
    if engine is None:
        return _refusal(f"The rule set {digest} is not available: write it with `fraudstream rules activate`.")
    in_force = engines[state.rule_set]
    difference = state_difference(in_force.rule_set, engine.rule_set, forwarded=not in_force.is_first)
    if difference is not None:
        return _refusal(
            f"The rule set {digest} needs another state version: {difference}. See `fraudstream worker --backfill`."
        )
    state.rule_set = digest
    return None


def _refusal(sentence: str, path: str = "$.rule_set") -> Rejection:
    return Rejection(0, "control", sentence, path)
