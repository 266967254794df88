"""Which rule sets a worker can evaluate: its directory's, and those that `controls` holds, with their artefacts.

Method: `controls` in memory, as a dictionary of encoded records by key.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence

import pytest

from fraudstream.contracts.artefact import artefact_content, artefact_digest, artefact_parts
from fraudstream.contracts.control import ListEntry, RuleSwitch, Stored, StoredArtefact, StoredRuleSet
from fraudstream.controls.reader import Controls
from fraudstream.controls.writer import rule_set_records
from fraudstream.engine.engine import Engine
from fraudstream.engine.rule_set import RuleSet, compile_rule_set
from fraudstream.stream.failure import PermanentFailure
from fraudstream.stream.rule_sets import RuleSets

FEATURES = """\
version: 1
entities: {account: {key: account_id, slots: 8}}
features:
  account.payments_1h: {aggregate: count, window: 1h}
"""
MODEL = bytes(range(256)) * 3_000
MODEL_DIGEST = artefact_digest(MODEL)
OLD = compile_rule_set({"features.yaml": FEATURES})
WITH_MODEL = {"features.yaml": FEATURES, "artefacts.yaml": f"artefacts: {{model: {{digest: {MODEL_DIGEST}}}}}\n"}
NEW = compile_rule_set(WITH_MODEL, artefacts={MODEL_DIGEST: MODEL})


class StoredControls:
    """`controls` in memory; as `fraudstream.stream.rule_sets.ControlsAccess`."""

    name = "controls"

    def __init__(self, records: Iterable[Stored] = ()) -> None:
        self.records = {record.key: record for record in records}
        self.artefacts_read: list[str] = []

    async def read_controls(self) -> Controls:
        stored = list(self.records.values())
        rule_sets = {record.rule_set: record.files for record in stored if isinstance(record, StoredRuleSet)}
        entries = {(record.list, record.value): record for record in stored if isinstance(record, ListEntry)}
        switch = next((record for record in stored if isinstance(record, RuleSwitch)), None)
        return Controls(rule_sets, entries, switch)

    async def read_artefacts(self, digests: Iterable[str]) -> dict[str, bytes]:
        self.artefacts_read += (wanted := list(digests))
        stored = [record for record in self.records.values() if isinstance(record, StoredArtefact)]
        found = {d: artefact_content(record for record in stored if record.artefact == d) for d in wanted}
        return {digest: content for digest, content in found.items() if content is not None}

    async def keep(self, records: Sequence[Stored]) -> None:
        self.records |= {record.key: record for record in records}


def stored(rule_set: RuleSet, artefacts: Iterable[bytes] = ()) -> list[Stored]:
    return rule_set_records(rule_set.digest, rule_set.files, artefacts)


def rule_sets(controls: StoredControls, own: RuleSet = OLD) -> RuleSets:
    return RuleSets(controls, Engine(own), stage_is_first=True, backfill=False)


def test_an_artefact_is_written_before_the_rule_set_that_names_it() -> None:
    *parts, last = stored(NEW, [MODEL])
    assert [record.key for record in parts] == [part.key for part in artefact_parts(MODEL)]
    assert isinstance(last, StoredRuleSet)


async def test_a_rule_set_is_loaded_with_its_artefacts() -> None:
    loaded = rule_sets(StoredControls(stored(NEW, [MODEL])))
    await loaded.load([NEW.digest])
    assert loaded.engines[NEW.digest].rule_set.artefacts["model"].content == MODEL


async def test_a_rule_set_without_artefacts_asks_for_none() -> None:
    controls = StoredControls(stored(OLD))
    await rule_sets(controls, NEW).load([OLD.digest])
    assert controls.artefacts_read == []


async def test_a_rule_set_whose_artefact_is_missing_stops_the_worker_with_a_sentence() -> None:
    whole = stored(NEW, [MODEL])
    for lacking in (stored(NEW), [whole[0], whole[-1]]):
        with pytest.raises(PermanentFailure, match=f"lacks artefacts of the rule set {NEW.digest}: {MODEL_DIGEST}"):
            await rule_sets(StoredControls(lacking)).load([NEW.digest])


async def test_a_rule_set_that_is_not_there_is_logged_and_not_loaded(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    logger = logging.getLogger("fraudstream.stream.rule_sets")
    monkeypatch.setattr(logger, "disabled", False)  # the command line may have configured logging before
    monkeypatch.setattr(logger, "handlers", [caplog.handler])
    loaded = rule_sets(StoredControls())
    await loaded.load([NEW.digest])
    assert loaded.engines.keys() == {OLD.digest}
    assert f"the topic controls holds no rule set {NEW.digest}" in caplog.text


async def test_a_worker_writes_its_own_rule_set_with_the_artefacts_that_are_missing() -> None:
    controls = StoredControls()
    own = rule_sets(controls, NEW)
    await own.resume(own.own.new_state(), "the checkpoint")
    other = rule_sets(controls)
    await other.load([NEW.digest])
    assert other.engines[NEW.digest].rule_set.digest == NEW.digest


async def test_a_worker_does_not_write_an_artefact_again_that_is_held() -> None:
    class Counting(StoredControls):
        kept: Sequence[Stored] = ()

        async def keep(self, records: Sequence[Stored]) -> None:
            self.kept = records
            await super().keep(records)

    controls = Counting(stored(NEW, [MODEL]))
    own = rule_sets(controls, NEW)
    await own.resume(own.own.new_state(), "the checkpoint")
    assert [type(record) for record in controls.kept] == [StoredRuleSet]


async def test_after_a_gap_the_newest_lists_and_the_last_switch_count() -> None:
    kept, removed = ListEntry("vip", "a", "r.holm", 0), ListEntry("vip", "b", "r.holm", 0, removed=True)
    switch = RuleSwitch(NEW.digest, "r.holm", 0)
    records = [*rule_set_records(NEW.digest, NEW.files, [MODEL]), kept, removed, switch]
    rule_sets = RuleSets(StoredControls(records), Engine(OLD), stage_is_first=True, backfill=False)
    state = Engine(OLD).new_state()
    state.lists.put("vip", "b", None)
    await rule_sets.catch_up(state, "the state of payments-0")
    assert set(state.lists.entries()) == {("vip", "a")}
    assert state.rule_set == NEW.digest


@pytest.mark.parametrize(
    "switch", [RuleSwitch(NEW.digest, "r.holm", 0, state_version=2), None], ids=["version", "none"]
)
async def test_after_a_gap_a_switch_to_another_state_version_is_not_taken(switch: RuleSwitch | None) -> None:
    records: list[Stored] = [*rule_set_records(NEW.digest, NEW.files, [MODEL])]
    records += [switch] if switch is not None else []
    rule_sets = RuleSets(StoredControls(records), Engine(OLD), stage_is_first=True, backfill=False)
    state = Engine(OLD).new_state()
    await rule_sets.catch_up(state, "the state of payments-0")
    assert state.rule_set == OLD.digest
