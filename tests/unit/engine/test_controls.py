"""Controls in the log: from which record on they count, what becomes of those that can't be used."""

from __future__ import annotations

from typing import TypeAlias

import msgspec
import numpy as np
import pytest
from aiokafka import ConsumerRecord

from fraudstream.contracts import ListEntry, Payment, RuleSwitch
from fraudstream.contracts.control import Control
from fraudstream.contracts.headers import CONTROL_HEADER
from fraudstream.engine.engine import Engine
from fraudstream.engine.lists import ABSENT, FOR_EVER, Lists
from fraudstream.engine.log import JudgedSpan, controls_in, read_log, rule_sets_named, without_controls
from fraudstream.engine.partition_state import PartitionState
from fraudstream.engine.rule_set import compile_rule_set

FEATURES = """
version: 1
entities:
  account: {key: account_id, slots: 16}
features:
  account.payments_1h: {aggregate: count, window: 1h}
"""
OLD = compile_rule_set({"features.yaml": FEATURES, "score.yaml": "threshold: 0.9\nparts: []\n"})
NEW = compile_rule_set({"features.yaml": FEATURES, "score.yaml": "threshold: 0.8\nparts: []\n"})
OTHER = compile_rule_set({"features.yaml": FEATURES.replace("window: 1h", "window: 2h")})
ENGINES = {rule_set.digest: Engine(rule_set) for rule_set in (OLD, NEW, OTHER)}
UNKNOWN = "0123456789abcdef"

Record: TypeAlias = "ConsumerRecord[bytes, bytes]"


def record(value: bytes, key: bytes | None, headers: tuple[tuple[str, bytes], ...] = ()) -> Record:
    return ConsumerRecord("payments", 0, 0, 1_000, 0, key, value, None, len(key or b""), len(value), headers)


def payment(event_id: str) -> Record:
    return record(msgspec.json.encode(Payment(event_id, 1_000, "a", "1.00", "EUR", "debit")), b"a")


def control(control: Control) -> Record:
    return record(msgspec.json.encode(control), None, (CONTROL_HEADER,))


def switch(digest: str) -> Record:
    return control(RuleSwitch(digest, "r.holm", 0))


def state() -> PartitionState:
    return ENGINES[OLD.digest].new_state()


def rule_sets_of(spans: list[JudgedSpan]) -> list[tuple[str, str]]:
    return [(d.event_id, d.rule_set) for span in spans for d in span.result.verdicts.decisions()]


def test_a_switch_counts_from_its_own_place_on() -> None:
    spans = read_log(ENGINES, held := state(), [payment("e0"), switch(NEW.digest), payment("e1"), payment("e2")])
    assert rule_sets_of(spans) == [("e0", OLD.digest), ("e1", NEW.digest), ("e2", NEW.digest)]
    assert [span.result.positions.tolist() for span in spans] == [[0], [2, 3]]
    assert [span.records for span in spans] == [1, 3]
    assert held.rule_set == NEW.digest
    assert rule_sets_of(read_log(ENGINES, held, [payment("e3")])) == [("e3", NEW.digest)]


def test_a_repeat_after_a_switch_is_answered_under_the_rules_of_its_first_verdict() -> None:
    spans = read_log(ENGINES, state(), [payment("e0"), switch(NEW.digest), payment("e0")])
    assert rule_sets_of(spans) == [("e0", OLD.digest), ("e0", OLD.digest)]


def test_the_rule_sets_to_load_are_known_before_the_records_are_applied() -> None:
    records = [payment("e0"), switch(NEW.digest), switch(UNKNOWN), record(b"{}", None, (CONTROL_HEADER,))]
    assert rule_sets_named(state(), records, controls_in(records)) == {NEW.digest, UNKNOWN}


@pytest.mark.parametrize(
    ("refused", "sentence"),
    [
        (switch(UNKNOWN), "The rule set 0123456789abcdef is not available"),
        (switch(OTHER.digest), "needs another state version: feature 'account.payments_1h' is declared differently"),
        (record(b"not json", None, (CONTROL_HEADER,)), "Not a control: "),
        (record(b'{"control":"list_entry","list":"No","value":"x","by":"me","issued_at_ms":0}', None,
                (CONTROL_HEADER,)), "Not a control: "),
        (control(ListEntry("devices", "a\nb", "me", 0)), "Not a control: an identifier holds a control character"),
    ],
)  # fmt: skip
def test_what_is_no_control_is_refused_and_the_old_rules_go_on(refused: Record, sentence: str) -> None:
    spans = read_log(ENGINES, state(), [payment("e0"), refused, payment("e1")])
    assert rule_sets_of(spans) == [("e0", OLD.digest), ("e1", OLD.digest)]
    [rejection] = [rejection for span in spans for rejection in span.result.refused]
    assert (rejection.position, rejection.reason) == (1, "control")
    assert sentence in rejection.sentence
    assert sum(span.records for span in spans) == 3


def test_records_of_controls_alone_are_read_too() -> None:
    [span] = read_log(ENGINES, held := state(), [switch(NEW.digest)])
    assert (span.records, span.result.events, span.result.verdicts.n) == (1, 0, 0)
    assert held.rule_set == NEW.digest


def test_a_value_is_on_a_list_until_its_time_and_no_longer() -> None:
    lists = Lists()
    lists.put("devices", "d-1", 1_000)
    lists.put("devices", "d-2", None)
    lists.put("devices", "d-3", None)
    lists.remove("devices", "d-3")
    values = ["d-1", "d-1", "d-2", "d-3", None]
    times = np.array([999, 1_000, 5_000, 0, 0], np.int64)
    assert lists.until_ms("devices", values, times).tolist() == [1_000, ABSENT, FOR_EVER, ABSENT, ABSENT]
    assert lists.until_ms("others", values, times).tolist() == [ABSENT] * 5


def test_lists_are_saved_with_the_state() -> None:
    entries = [ListEntry("devices", "d-1", "me", 0, expires_at_ms=7), ListEntry("devices", "d-2", "me", 0)]
    removal = ListEntry("devices", "d-2", "me", 0, removed=True)
    read_log(ENGINES, held := state(), [control(entry) for entry in entries])
    saved = held.changes()
    read_log(ENGINES, held, [control(removal)])
    (restored := state()).restore(saved + held.changes())
    assert restored.lists.until_ms("devices", ["d-1", "d-2"], np.zeros(2, np.int64)).tolist() == [7, ABSENT]
    assert restored.changes() == []


def test_a_stage_that_another_follows_passes_over_controls() -> None:
    log = [payment("e0"), switch(NEW.digest), payment("e1")]
    assert without_controls(log) == [log[0], log[2]]
    assert without_controls(log[:1]) == log[:1]
