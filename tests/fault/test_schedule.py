"""The schedule of the fault suite depends on its seed alone, and twenty seeds cover every kind of fault."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

from benchmarks.chaos.controls import Change, changes, varied
from benchmarks.chaos.fault_points import CASES_POINTS, WORKER_POINTS
from benchmarks.chaos.load import load
from benchmarks.chaos.schedule import Fault, Kind, schedule
from fraudstream.cli.rule_files import load_rule_set
from fraudstream.engine.rule_set import compile_rule_set

RULES = load_rule_set(Path(__file__).parents[2] / "examples" / "account_only")


def faults_of(seed: int, brokers: int = 3) -> list[Fault]:
    return schedule(seed, 12, (3, 4), 6.0, brokers)


def changes_of(seed: int) -> list[Change]:
    return changes(seed, load(seed, 2_000, 200), RULES, Path("rules"), Path("other-rules"))


def test_a_seed_gives_the_same_schedule_load_and_controls_again() -> None:
    assert faults_of(7) == faults_of(7) != faults_of(8)
    assert load(7, 2_000, 200) == load(7, 2_000, 200) != load(8, 2_000, 200)
    assert changes_of(7) == changes_of(7) != changes_of(8)


def test_twenty_seeds_cover_every_kind_of_fault_and_every_point() -> None:
    faults = [fault for seed in range(1, 21) for fault in faults_of(seed)]
    assert {fault.kind for fault in faults} == set(get_args(Kind))
    assert {fault.point for fault in faults if fault.kind == "kill at point"} == set(WORKER_POINTS)
    assert {fault.point for fault in faults if fault.kind == "cases kill at point"} == set(CASES_POINTS)


def test_a_broker_that_must_not_be_stopped_gets_no_faults() -> None:
    assert not any(fault.kind.startswith("broker") for seed in range(20) for fault in faults_of(seed, brokers=0))


def test_a_schedule_is_in_order_and_scales_to_one_and_back() -> None:
    for seed in range(20):
        faults = faults_of(seed)
        assert [fault.share for fault in faults] == sorted(fault.share for fault in faults)
        down, up = (fault.workers for fault in faults if fault.kind == "scale")
        assert down == 1
        assert up in (3, 4)


def test_a_load_has_repeats_late_payments_labels_and_garbage() -> None:
    items = load(seed=3, payments=20_000, accounts=2_000)
    values = [item.value for item in items if item.topic == "payments" and not item.headers]
    assert len(values) - len(set(values)) > 100, "payments that come twice"
    assert sum(item.topic == "labels" for item in items) > 50
    assert sum(bool(item.headers) for item in items) > 50
    assert any(item.value is None for item in items)
    assert any(item.key is None for item in items)


def test_rules_are_switched_to_others_with_the_same_state_and_back() -> None:
    switches = [change.words[2] for change in changes_of(3) if change.words[0] == "rules"]
    assert switches == ["other-rules", "rules"]
    other = compile_rule_set(varied(RULES))
    assert other.digest != RULES.digest
    assert other.catalogue == RULES.catalogue


def test_list_entries_name_values_of_later_payments_and_some_are_removed() -> None:
    items = load(3, 2_000, 200)
    found = [change for change in changes_of(3) if change.words[0] == "lists"]
    for name in RULES.lists:
        added, removed = (list(change.words[3:]) for change in found if change.words[2] == name)
        share = next(change.share for change in found if change.words[1:3] == ("add", name))
        later = b"".join(item.value or b"" for item in items[round(share * len(items)) :])
        assert all(f'"{value}"'.encode() in later for value in removed)
        assert set(removed) < set(added)


def test_some_commands_are_killed_half_way() -> None:
    found = [change for seed in range(5) for change in changes_of(seed)]
    assert {bool(change.dies_at) for change in found} == {True, False}
