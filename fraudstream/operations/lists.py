"""The entries of allow, deny and watch lists: put on a list, taken off it, and read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from fraudstream.contracts import ListEntry
from fraudstream.contracts.nearest_name import nearest, nearest_or_all
from fraudstream.engine.document import read_document
from fraudstream.engine.expression import ValueList
from fraudstream.engine.list_declarations import read_lists as read_list_declarations
from fraudstream.engine.rule_set import LISTS
from fraudstream.operations.checked_text import check_entry, check_identifier, check_note
from fraudstream.operations.errors import InvalidValueError, MissingTopicError, OperationError
from fraudstream.stream.control_log import (
    Controls,
    NoTopicError,
    deciding_topic,
    logs_of_other_versions,
    put_in_force,
    read_controls,
)
from fraudstream.stream.settings import StreamSettings

EXPIRES_END_MS: Final = 253_402_300_800_000  # the year 10000


class ListEdit(NamedTuple):
    """`entries` count from `offsets` on: {partition of the log: offset of the first of them}."""

    entries: tuple[ListEntry, ...]
    offsets: dict[int, int]


class Lists(NamedTuple):
    """`declared`: the lists of the rules in force, by name; `entries`: of these, the ones that are not removed, in
    order of list and value; expired ones too."""

    declared: Mapping[str, ValueList]
    entries: tuple[ListEntry, ...]


class NoRuleSetError(OperationError):
    """The topic of controls `topic` holds no rule set yet, so it is not known which lists there are."""

    def __init__(self, topic: str) -> None:
        super().__init__(
            f"The topic '{topic}' holds no rule set yet: start a worker, or activate rules with "
            "`fraudstream rules activate`."
        )
        self.topic = topic


class UnknownListError(OperationError):
    """The rules in force declare no list `name`; `declared`: those they do declare."""

    def __init__(self, name: str, declared: Iterable[str]) -> None:
        self.name = name
        self.declared = tuple(sorted(declared))
        super().__init__(
            f"the rules in force have no list '{name}'. {nearest_or_all(name, self.declared)}"
            if self.declared
            else "the rules in force declare no list: add rules/lists.yaml, and run `fraudstream rules activate`."
        )


class NotListedError(OperationError):
    """`value` has never been on the list `name`, so it cannot be removed."""

    def __init__(self, value: str, name: str, listed: Iterable[str]) -> None:
        super().__init__(f"'{value}' is not on {name}.{nearest(value, listed)}")
        self.value = value
        self.name = name


async def edit_list(
    deciding: StreamSettings,
    name: str,
    values: Sequence[str],
    *,
    by: str,
    issued_at_ms: int,
    expires_at_ms: int | None = None,
    removed: bool = False,
    note: str | None = None,
) -> ListEdit:
    """Put `values` on the list `name`, or take them off it (`removed`), for payments after this record in the log.

    `deciding`: the settings of the stage that decides. An entry counts for payments that occur before `expires_at_ms`.
    A value that was removed may be removed again: the first time may have failed half-way through the log.

    Raises `InvalidValueError`, `UnknownListError`, `NotListedError`, `NoRuleSetError`, `MissingTopicError`, and what
    aiokafka raises.
    """
    check_identifier(by, "by")
    check_note(note)
    if expires_at_ms is not None and not issued_at_ms < expires_at_ms < EXPIRES_END_MS:
        raise InvalidValueError(
            "expires_at_ms", expires_at_ms, "An entry must expire after the current time, and before the year 10000."
        )
    expires_at_ms = None if removed else expires_at_ms
    for value in values:
        check_identifier(value, "VALUE")
    try:
        controls = await read_controls(deciding)
        declared = _declared(controls, deciding.controls_topic)
        if name not in declared:
            raise UnknownListError(name, declared)
        kept = [_entry_value(declared[name], value, removed) for value in values]
        entries = tuple(ListEntry(name, value, by, issued_at_ms, expires_at_ms, removed, note) for value in kept)
        if removed:
            _check_listed(entries, controls)
        logs = [deciding_topic(deciding), *await logs_of_other_versions(deciding)]
        return ListEdit(entries, await put_in_force(deciding, [], entries, logs))
    except NoTopicError as error:
        raise MissingTopicError(deciding.brokers.servers, error.topic) from error


async def read_lists(deciding: StreamSettings, name: str | None = None) -> Lists:
    """All lists and their entries; with `name`, the entries of that one alone.

    `deciding`: the settings of the stage that decides. Raises `UnknownListError`, `NoRuleSetError`,
    `MissingTopicError`, and what aiokafka raises.
    """
    try:
        controls = await read_controls(deciding)
    except NoTopicError as error:
        raise MissingTopicError(deciding.brokers.servers, error.topic) from error
    declared = _declared(controls, deciding.controls_topic)
    if name is not None and name not in declared:
        raise UnknownListError(name, declared)
    entries = (entry for _, entry in sorted(controls.entries.items()))
    return Lists(declared, tuple(entry for entry in entries if not entry.removed and name in (None, entry.list)))


def _entry_value(declared: ValueList, value: str, removed: bool) -> str:
    """The value in canonical form. Raises `InvalidValueError` for one that no payment has, unless it is
    `removed`: older releases accepted any value."""
    try:
        return check_entry(value, declared)
    except InvalidValueError:
        if removed:
            return value
        raise


def _declared(controls: Controls, topic: str) -> dict[str, ValueList]:
    """The lists of the rules last activated, else of every rule set that a worker began with. Raises
    `NoRuleSetError`."""
    digests = controls.rule_sets if controls.switch is None else [controls.switch.rule_set]
    files = [controls.rule_sets[digest] for digest in digests if digest in controls.rule_sets]
    if not files:
        raise NoRuleSetError(topic)
    declared: dict[str, ValueList] = {}
    for texts in files:
        if LISTS in texts:
            declared |= read_list_declarations(read_document(texts[LISTS], LISTS))
    return declared


def _check_listed(entries: Iterable[ListEntry], controls: Controls) -> None:
    """Raises `NotListedError` for the first value that has never been on its list."""
    for entry in entries:
        if (entry.list, entry.value) not in controls.entries:
            listed = [
                value for (name, value), held in controls.entries.items() if name == entry.list and not held.removed
            ]
            raise NotListedError(entry.value, entry.list, listed)
