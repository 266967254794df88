"""Allow, deny and watch lists: their entries as pages show them, and changes of them to propose."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from fraudstream.console.rules.changes import ListChange
from fraudstream.console.rules.library import RuleLibrary
from fraudstream.contracts import ListEntry
from fraudstream.contracts.payment_identifiers import IDENTIFIERS
from fraudstream.engine.expression import NETWORKS, ValueList
from fraudstream.operations.checked_text import check_entry, check_identifier
from fraudstream.operations.errors import InvalidValueError
from fraudstream.operations.lists import UnknownListError
from fraudstream.operations.rules_in_force import InForce

VALUES_MAX: Final = 50  # of one change
ROWS_MAX: Final = 200  # entries of a page


class ListSummary(NamedTuple):
    """A list that the rules in force declare. `entries`: that count for payments now; `expired`: that no longer do.
    `rules`: names of the rules that ask it. `changed`: its newest entry; None if it has none."""

    name: str
    declared: ValueList
    entries: int
    expired: int
    rules: tuple[str, ...]
    changed: ListEntry | None


class ListPage(NamedTuple):
    """A list with the entries that a search finds, the newest first, `ROWS_MAX` at most of `found`."""

    summary: ListSummary
    rows: tuple[ListEntry, ...]
    found: int


class ListDesk:
    """The lists in force. `now_ms`: the clock, ms since the epoch, UTC. Methods raise `OperationError`."""

    def __init__(self, library: RuleLibrary, now_ms: Callable[[], int]) -> None:
        self._library, self._now_ms = library, now_ms

    async def declared(self, name: str) -> ValueList:
        """What the rules in force declare of a list. Raises `UnknownListError`."""
        return _declared(await self._library.in_force(), name)

    async def overview(self) -> list[ListSummary]:
        """Every list that the rules in force declare, by name."""
        in_force = await self._library.in_force()
        return [self._summary(in_force, name) for name in sorted(in_force.rule_set.lists)]

    async def open_list(self, name: str, text: str, *, parts: bool) -> ListPage:
        """A list with the entries whose value, author or note is `text`, or has it in it. `parts`: of values too; else
        a value is found as a whole alone. Raises `UnknownListError`."""
        in_force = await self._library.in_force()
        _declared(in_force, name)
        found = [entry for entry in in_force.entries if entry.list == name and _is_found(entry, text, parts)]
        found.sort(key=lambda entry: entry.issued_at_ms, reverse=True)
        return ListPage(self._summary(in_force, name), tuple(found[:ROWS_MAX]), len(found))

    async def addition(self, name: str, values: Sequence[str], expires_at_ms: int | None) -> ListChange:
        """The change that puts values on a list; of a single one that is on it, the end changes. Raises
        `UnknownListError`, `InvalidValueError`."""
        declared = await self.declared(name)
        if not 1 <= len(values) <= VALUES_MAX:
            raise InvalidValueError("values", len(values), f"Give 1 to {VALUES_MAX} values.")
        if expires_at_ms is not None and expires_at_ms <= self._now_ms():
            raise InvalidValueError("expires_at_ms", expires_at_ms, "An entry must end after the current time.")
        kept = tuple(dict.fromkeys(check_entry(check_identifier(value, "VALUE"), declared) for value in values))
        before = await self._entries(name, kept)
        if len(kept) > 1 and any(before):
            number = sum(entry is not None for entry in before)
            raise InvalidValueError("values", number, f"{number} of these values are on the list already.")
        return ListChange(name, kept, before, expires_at_ms=expires_at_ms)

    async def removal(self, name: str, values: Sequence[str]) -> ListChange:
        """The change that takes values off a list. Raises `UnknownListError`, `InvalidValueError`."""
        await self.declared(name)
        before = await self._entries(name, values)
        if not values or not all(before):
            raise InvalidValueError("values", len(values), "The value is not on the list.")
        return ListChange(name, tuple(values), before, removed=True)

    async def undoing(self, change: ListChange) -> ListChange:
        """The change that brings back what was there before `change`. Raises as `addition`."""
        first = change.before[0]  # of several values, none was on the list
        if first is None:
            return await self.removal(change.list, change.values)
        if first.expires_at_ms is not None and first.expires_at_ms <= self._now_ms():
            raise InvalidValueError("values", 1, "The entry that was there before has ended.")
        return await self.addition(change.list, change.values, first.expires_at_ms)

    def _summary(self, in_force: InForce, name: str) -> ListSummary:
        now_ms, rules = self._now_ms(), in_force.rule_set.rules
        entries = [entry for entry in in_force.entries if entry.list == name]
        expired = sum(is_expired(entry, now_ms) for entry in entries)
        asking = tuple(rule.name for rule in rules if any(each.listed == name for each in rule.when.comparisons))
        changed = max(entries, key=lambda entry: entry.issued_at_ms, default=None)
        return ListSummary(name, in_force.rule_set.lists[name], len(entries) - expired, expired, asking, changed)

    async def _entries(self, name: str, values: Sequence[str]) -> tuple[ListEntry | None, ...]:
        """The entry of each value now; None of one that is not on the list."""
        in_force = await self._library.in_force(is_fresh=True)
        held = {entry.value: entry for entry in in_force.entries if entry.list == name}
        return tuple(map(held.get, values))


def _declared(in_force: InForce, name: str) -> ValueList:
    lists = in_force.rule_set.lists
    if name not in lists:
        raise UnknownListError(name, lists)
    return lists[name]


def is_expired(entry: ListEntry, now_ms: int) -> bool:
    """Whether it counts for no payment that occurs now."""
    return entry.expires_at_ms is not None and entry.expires_at_ms <= now_ms


def is_identifying_field(declared: ValueList) -> bool:
    """Whether the values of a list may identify somebody, so that they are masked."""
    return declared.of in IDENTIFIERS or declared.of == NETWORKS


def _is_found(entry: ListEntry, text: str, parts: bool) -> bool:
    if not text or text == entry.value:
        return True
    wanted = text.casefold()
    texts = (entry.by, entry.note or "", *((entry.value,) if parts else ()))
    return any(wanted in each.casefold() for each in texts)
