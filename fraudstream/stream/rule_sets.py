"""The rule sets that a worker evaluates: the one in its own directory, and others from the topic `controls`.

The directory only determines the first rules of a partition that no worker has processed yet. After that, the
partition's log and its checkpoints determine the rules in force, on every worker.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final, Protocol

from fraudstream.contracts.control import RuleSwitch, Stored
from fraudstream.controls.reader import Controls
from fraudstream.controls.store import ControlsStore
from fraudstream.controls.writer import rule_set_records
from fraudstream.engine.artefacts import artefacts_named
from fraudstream.engine.document import DocumentErrors
from fraudstream.engine.engine import Engine
from fraudstream.engine.rule_set import RuleSet, compile_rule_set
from fraudstream.engine.state_difference import state_difference
from fraudstream.stream.control_log import controls_topic
from fraudstream.stream.failure import PermanentFailure
from fraudstream.stream.settings import StreamSettings

if TYPE_CHECKING:
    from fraudstream.engine.partition_state import PartitionState

_ONE_RELEASE: Final = (
    "Another release activated it: upgrade this worker to that release, or, if the release was rolled back, complete "
    "the roll-back; then change rules with `fraudstream rules activate`."
)

log = logging.getLogger(__name__)


class ControlsAccess(Protocol):
    """The topic `controls`; `fraudstream.controls.store.ControlsStore` is one."""

    @property
    def name(self) -> str:
        """Name of the topic, for messages."""
        ...

    async def read_controls(self) -> Controls:
        """Everything that it holds, without artefacts. Raises `NoTopicError`, `StalledError`, `KafkaError`."""
        ...

    async def read_artefacts(self, digests: Iterable[str]) -> dict[str, bytes]:
        """Those of these artefacts that it holds, by digest. Raises as `read_controls`."""
        ...

    async def keep(self, records: Sequence[Stored]) -> None:
        """Write records and wait until they are durable."""
        ...


def rule_sets(settings: StreamSettings, own: Engine) -> RuleSets:
    """The rule sets of a stage that decides, under its settings."""
    controls = ControlsStore(controls_topic(settings))
    return RuleSets(controls, own, stage_is_first=settings.stage_is_first, backfill=settings.backfill)


class RuleSets:
    """The engines of the rule sets that were in force while this process ran.

    `engines`: by the digest of their rule set, those loaded so far. `own`: of the worker's directory. `backfill`: the
    worker backfills a state version, so it does not apply switches from `controls`.
    """

    def __init__(self, controls: ControlsAccess, own: Engine, *, stage_is_first: bool, backfill: bool) -> None:
        self.engines: dict[str, Engine] = {own.rule_set.digest: own}
        self.own = own
        self._controls, self._stage_is_first, self._backfill = controls, stage_is_first, backfill
        self._kept = False
        self._warned: set[str] = set()

    async def load(self, digests: Iterable[str]) -> None:
        """Fetch, verify and compile those of these rule sets that are not loaded yet, with their artefacts.

        A digest that `controls` does not hold is logged; the switch to it will be refused. Raises `PermanentFailure`
        for one that this release cannot compile, or whose artefacts are missing: other workers may have them, and
        verdicts would depend on the worker.
        """
        missing = set(digests) - self.engines.keys()
        if not missing:
            return
        stored = (await self._controls.read_controls()).rule_sets
        for digest in sorted(missing):
            if digest not in stored:
                log.error("the topic %s holds no rule set %s", self._controls.name, digest)
                continue
            artefacts = await self._artefacts_of(digest, stored[digest])
            self.engines[digest] = await self._compiled(digest, stored[digest], artefacts)

    async def begin(self, state: PartitionState, first_offset: int) -> None:
        """Initialize a partition that no worker has processed yet, before its first record.

        The log determines which rules and list entries apply. If its beginning is missing, the newest entries and the
        last switch on `controls` are applied instead. Raises `PermanentFailure`.
        """
        if self.lacks_controls(first_offset):
            switch = await self._seed_lists(state)
            if switch is not None and not self._backfill:
                await self.load([switch.rule_set])
                if first_offset > 0 or self._fits(switch.rule_set):
                    state.rule_set = switch.rule_set
        await self.resume(state, "the last rule-set switch")

    async def begin_again(self, state: PartitionState, first_offset: int, named_by: str) -> None:
        """As `begin`, for a partition of which an earlier worker wrote a first checkpoint and decided nothing.

        The checkpoint names the rules in force. The list entries were in that worker's state only.
        """
        if self.lacks_controls(first_offset):
            await self._seed_lists(state)
        await self.resume(state, named_by)

    async def catch_up(self, state: PartitionState, named_by: str) -> None:
        """After a gap in the log, which may have held controls: the newest entry of each list, removals included, and
        the last switch, if it is for this state version and its rules fit. Raises `PermanentFailure`."""
        controls = await self._controls.read_controls()
        for entry in controls.entries.values():
            if entry.removed:
                state.lists.remove(entry.list, entry.value)
            else:
                state.lists.put(entry.list, entry.value, entry.expires_at_ms)
        switch = controls.switch
        if switch is not None and not self._backfill and switch.state_version in (None, state.state_version):
            await self.load([switch.rule_set])
            if self._fits(switch.rule_set):
                state.rule_set = switch.rule_set
        await self.resume(state, named_by)

    def lacks_controls(self, first_offset: int) -> bool:
        """Whether retention deleted the log's beginning, or another stage decided before this log existed."""
        return first_offset > 0 or not self._stage_is_first

    def _fits(self, digest: str) -> bool:
        """Whether the rules read this stage's features: the last switch may be older than the chain of stages."""
        engine = self.engines.get(digest)
        return engine is not None and self._difference(engine.rule_set, self.own.rule_set) is None

    def _difference(self, old: RuleSet, new: RuleSet) -> str | None:
        return state_difference(old, new, forwarded=not self._stage_is_first)

    async def _seed_lists(self, state: PartitionState) -> RuleSwitch | None:
        """Put the current list entries into `state`; returns the last switch that `controls` holds."""
        controls = await self._controls.read_controls()
        for entry in controls.entries.values():
            if not entry.removed:
                state.lists.put(entry.list, entry.value, entry.expires_at_ms)
        return controls.switch

    async def resume(self, state: PartitionState, named_by: str) -> None:
        """Load the engine of the rules in force. `named_by`: what names them, for messages.

        Raises `PermanentFailure` if they cannot be loaded, or read features that the state does not hold.
        """
        digest, own = state.rule_set, self.own.rule_set
        if digest == own.digest:
            await self._keep_own()
            return
        await self.load([digest])
        if digest not in self.engines:
            raise PermanentFailure(
                f"The rule set {digest}, which {named_by} names, is not available from the topic "
                f"'{self._controls.name}'. Start a worker once with the rules directory it came from (here: "
                f"{own.digest}), then change rules with `fraudstream rules activate`."
            )
        difference = self._difference(self.engines[digest].rule_set, own)
        if difference is not None:
            raise PermanentFailure(
                "rules/features.yaml, what rules/score.yaml learns from, or in a chain of stages "
                f"rules/currencies.yaml, differs from that of the rule set in force, {digest}: {difference}. Start "
                "with that one, or begin a new state version with it, see `fraudstream worker --backfill`."
            )
        if digest not in self._warned:
            self._warned.add(digest)
            log.warning(
                "the rule set %s is in force, not %s of this worker's directory: `fraudstream rules activate` changes "
                "that",
                digest,
                own.digest,
            )

    async def _keep_own(self) -> None:
        """Write the directory's rule set to `controls`, so that workers with another directory find it."""
        if self._kept:
            return
        own = self.own.rule_set
        contents = {artefact.digest: artefact.content for artefact in own.artefacts.values()}
        held = await self._controls.read_artefacts(contents.keys())
        missing = [content for digest, content in contents.items() if digest not in held]
        await self._controls.keep(rule_set_records(own.digest, own.files, missing))
        self._kept = True

    async def _artefacts_of(self, digest: str, files: Mapping[str, str]) -> dict[str, bytes]:
        """The artefacts that a rule set names, by digest. Raises `PermanentFailure` if `controls` lacks one."""
        named = artefacts_named(files)
        artefacts = await self._controls.read_artefacts(named)
        if missing := sorted(named - artefacts.keys()):
            raise PermanentFailure(
                f"The topic '{self._controls.name}' lacks artefacts of the rule set {digest}: {', '.join(missing)}. "
                "Activate it again with `fraudstream rules activate`, from the directory that holds them."
            )
        return artefacts

    async def _compiled(self, digest: str, files: Mapping[str, str], artefacts: Mapping[str, bytes]) -> Engine:
        """The engine of a stored rule set. Raises `PermanentFailure` if this release compiles it to another digest."""
        try:
            rule_set = await asyncio.to_thread(compile_rule_set, files, None, artefacts, accepted=True)
        except DocumentErrors as errors:
            raise PermanentFailure(
                f"This release cannot read the rule set {digest} ({errors}). {_ONE_RELEASE}"
            ) from errors
        if rule_set.digest != digest:
            raise PermanentFailure(
                f"This release compiles the rule set {digest} on '{self._controls.name}' to {rule_set.digest}. "
                f"{_ONE_RELEASE}"
            )
        fits = self._difference(self.own.rule_set, rule_set) is None
        return self.own.under(rule_set) if fits else Engine(rule_set)  # to report how it differs
