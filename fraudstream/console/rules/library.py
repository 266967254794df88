"""The rule set in force as the cluster has it, what a change would make of it, and the test cases in the directory of
rules."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Final, NamedTuple

from fraudstream.console.rules.changes import Change, RestoredRules
from fraudstream.console.rules.drafts import Draft
from fraudstream.engine.rule_set import TEST_SUFFIX
from fraudstream.engine.rules import Rule
from fraudstream.operations.errors import OperationError
from fraudstream.operations.new_rule import is_rule_name
from fraudstream.operations.rules_in_force import InForce

KEPT_MS: Final = 15_000
CASES_BYTES_MAX: Final = 1 << 20

ReadInForce = Callable[[InForce | None], Awaitable[InForce]]  # given what it returned before
ReadArtefacts = Callable[[Mapping[str, str]], Awaitable[Mapping[str, bytes]]]  # of a rule set with these files


class RuleFiles(NamedTuple):
    """The files of a rule set by path, its artefacts by digest, and `cases`: test cases by path."""

    files: Mapping[str, str]
    artefacts: Mapping[str, bytes]
    cases: Mapping[str, str]


class RulesGoneError(OperationError):
    """A rule set that was to be restored is no longer stored."""

    def __init__(self, digest: str) -> None:
        super().__init__(f"Rule set {digest} is not stored any more.")
        self.digest = digest


class RuleLibrary:
    """What is in force, read again when it is older than `KEPT_MS`; test cases from `directory`, None: there are none.

    `read`, `read_artefacts`: read from the cluster, and raise `OperationError`. `now_ms`: the clock.
    """

    def __init__(
        self, read: ReadInForce, read_artefacts: ReadArtefacts, directory: Path | None, now_ms: Callable[[], int]
    ) -> None:
        self._read, self._read_artefacts = read, read_artefacts
        self._directory, self._now_ms = directory, now_ms
        self._kept: InForce | None = None
        self._read_at_ms = 0
        self._reading = asyncio.Lock()

    async def in_force(self, *, is_fresh: bool = False) -> InForce:
        """The rule set in force with the list entries. `is_fresh`: read it now. Raises `OperationError`."""
        async with self._reading:
            if self._kept is None or is_fresh or self._now_ms() - self._read_at_ms > KEPT_MS:
                self._kept = await self._read(self._kept)
                self._read_at_ms = self._now_ms()
            return self._kept

    def forget(self) -> None:
        """Something was put in force: read it again when it is asked for."""
        self._kept = None

    async def after(self, change: Change, in_force: InForce) -> RuleFiles:
        """The rule set that a change makes of the one in force. Raises `OperationError`: `RulesGoneError`."""
        files = in_force.rule_set.files
        if isinstance(change, Draft):
            cases = {f"{change.name}{TEST_SUFFIX}": change.cases_text} if change.cases_text.strip() else {}
            return RuleFiles({**files, change.path: change.rule_text}, in_force.artefacts, cases)
        if isinstance(change, RestoredRules):
            stored = in_force.stored.get(change.rule_set)
            if stored is None:
                raise RulesGoneError(change.rule_set)
            return RuleFiles(stored, await self._read_artefacts(stored), {})
        return RuleFiles(files, in_force.artefacts, {})

    def cases_of(self, name: str) -> str:
        """The test cases of a rule in the directory of rules; empty if there are none that can be read."""
        if self._directory is None or not is_rule_name(name):
            return ""
        path = self._directory / f"{name}{TEST_SUFFIX}"
        try:
            return path.read_text(encoding="utf-8") if path.stat().st_size <= CASES_BYTES_MAX else ""
        except (OSError, UnicodeDecodeError):
            return ""


def rule_of(in_force: InForce, name: str) -> Rule | None:
    """The rule of that name, retired ones too; None if there is none."""
    rules = (*in_force.rule_set.rules, *in_force.rule_set.retired)
    return next((rule for rule in rules if rule.name == name), None)
