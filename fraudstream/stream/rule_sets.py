"""The rule sets that a worker judges by, each made ready once: its own directory's, and what `controls` holds.

The directory only says with which rules a partition begins that no worker has judged yet. From then on the partition's
log and its checkpoints say which are in force, on whatever worker.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final

from fraudstream.contracts.control import RuleSwitch, StoredRuleSet
from fraudstream.engine.catalogue_difference import catalogue_difference
from fraudstream.engine.document import DocumentErrors
from fraudstream.engine.engine import Engine
from fraudstream.engine.rule_set import compile_rule_set
from fraudstream.stream.control_log import keep, read_controls
from fraudstream.stream.failure import PermanentFailure
from fraudstream.stream.settings import StreamSettings

if TYPE_CHECKING:
    from fraudstream.engine.partition_state import PartitionState

_ONE_RELEASE: Final = (
    "Another release switched to it: bring this worker to that one, or, if the release was taken back, finish it; then "
    "change rules with `fraudstream rules activate`."
)

log = logging.getLogger(__name__)


class RuleSets:
    """`engines`: by the digest of their rule set, those loaded so far; as many as rules were switched in this
    process's life. `own`: of the worker's directory."""

    def __init__(self, settings: StreamSettings, own: Engine) -> None:
        self.engines: dict[str, Engine] = {own.rule_set.digest: own}
        self.own = own
        self._settings = settings
        self._kept = False
        self._told: set[str] = set()

    async def load(self, digests: Iterable[str]) -> None:
        """Make ready what can be had of these; what `controls` does not hold is told in the log.

        Raises `PermanentFailure` for what this release can't read: others may, and the verdict would depend on who gives it.
        """
        missing = set(digests) - self.engines.keys()
        if missing:
            stored = (await read_controls(self._settings)).rule_sets
            for digest in sorted(missing):
                await self._compile(digest, stored)

    async def begin(self, state: PartitionState, first_offset: int) -> None:
        """Before the first record of a partition that no worker has judged yet.

        Its log says which rules and entries count, as far as it reaches. Where it lacks those of before, the newest of
        `controls` stand in.
        """
        if self.lacks_controls(first_offset):
            switch = await self._seed_lists(state)
            if switch is not None and not self._settings.backfill:
                await self.load([switch.rule_set])
                if first_offset > 0 or self._fits(switch.rule_set):
                    state.rule_set = switch.rule_set
        await self.resume(state, "the last rule-set switch")

    async def begin_again(self, state: PartitionState, first_offset: int, named_by: str) -> None:
        """As `begin`, for a partition that a worker has only opened: its rules are in the checkpoint, its entries were
        in that worker's memory, and nothing was judged by them."""
        if self.lacks_controls(first_offset):
            await self._seed_lists(state)
        await self.resume(state, named_by)

    def lacks_controls(self, first_offset: int) -> bool:
        """Where retention took the log's beginning, or another stage decided before there was this log."""
        return first_offset > 0 or not self._settings.stage_is_first

    def _fits(self, digest: str) -> bool:
        """Whether the rules are of this chain: the last switch may be of the time before there was one."""
        engine = self.engines.get(digest)
        return (
            engine is not None and catalogue_difference(engine.rule_set.catalogue, self.own.rule_set.catalogue) is None
        )

    async def _seed_lists(self, state: PartitionState) -> RuleSwitch | None:
        """Put the entries of today; the last switch that stands beside them."""
        controls = await read_controls(self._settings)
        for entry in controls.entries.values():
            if not entry.removed:
                state.lists.put(entry.list, entry.value, entry.expires_at_ms)
        return controls.switch

    async def resume(self, state: PartitionState, named_by: str) -> None:
        """Have the engine of the rules in force. Raises `PermanentFailure` if they can't be had, or need another memory."""
        digest, own = state.rule_set, self.own.rule_set
        if digest == own.digest:
            await self._keep_own()
            return
        await self.load([digest])
        if digest not in self.engines:
            raise PermanentFailure(
                f"The rule set {digest}, which {named_by} names, can't be had from the topic "
                f"'{self._settings.controls_topic}'. Start a worker once with the rules directory it came from "
                f"(here is {own.digest}), then change rules with `fraudstream rules activate`."
            )
        difference = catalogue_difference(self.engines[digest].rule_set.catalogue, own.catalogue)
        if difference is not None:
            raise PermanentFailure(
                f"rules/features.yaml is another than that of the rule set in force, {digest}: {difference}. Start "
                "with that one; a changed catalogue needs a new memory, see `fraudstream worker --backfill`."
            )
        if digest not in self._told:
            self._told.add(digest)
            log.warning(
                "the rule set %s is in force, not %s of this worker's directory: `fraudstream rules activate` changes "
                "that",
                digest,
                own.digest,
            )

    async def _keep_own(self) -> None:
        """So that a worker with another directory finds it."""
        if not self._kept:
            own = self.own.rule_set
            await keep(self._settings, [StoredRuleSet(own.digest, dict(own.files))])
            self._kept = True

    async def _compile(self, digest: str, stored: Mapping[str, Mapping[str, str]]) -> None:
        if digest not in stored:
            log.error("the topic %s holds no rule set %s", self._settings.controls_topic, digest)
            return
        try:
            rule_set = await asyncio.to_thread(compile_rule_set, stored[digest])
        except DocumentErrors as errors:
            raise PermanentFailure(
                f"The rule set {digest} can't be read by this release ({errors}). {_ONE_RELEASE}"
            ) from errors
        if rule_set.digest != digest:
            raise PermanentFailure(
                f"What '{self._settings.controls_topic}' holds as rule set {digest} is {rule_set.digest} to this "
                f"release. {_ONE_RELEASE}"
            )
        fits = catalogue_difference(self.own.rule_set.catalogue, rule_set.catalogue) is None
        self.engines[digest] = self.own.under(rule_set) if fits else Engine(rule_set)  # to say how it differs
