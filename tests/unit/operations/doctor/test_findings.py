"""What the checks of `fraudstream doctor` make of what they found, without a cluster."""

from __future__ import annotations

from pathlib import Path

import pytest

from fraudstream.operations.acls.cluster_acls import Acl, is_allowed
from fraudstream.operations.acls.needs import Need
from fraudstream.operations.doctor.brokers import FoundBrokers, broker_findings
from fraudstream.operations.doctor.capacity import MEASURED, capacity_findings, payments_per_s
from fraudstream.operations.doctor.directories import directory_findings
from fraudstream.operations.doctor.finding import Finding, merged, worst
from fraudstream.operations.doctor.groups import GroupLag, lag_findings

PERFORMANCE = Path(__file__).parents[4] / "docs" / "performance.md"


def test_the_capacity_table_has_the_figures_of_the_page_on_performance() -> None:
    rows = PERFORMANCE.read_text(encoding="utf-8").splitlines()
    for measured in MEASURED.values():
        of_source = [row for row in rows if row.startswith(f"| {measured.source} |")]
        assert any(f"| {measured.payments_per_s:,} |" in row for row in of_source)


def test_a_longer_chain_decides_less() -> None:
    assert payments_per_s("chain", 4) == MEASURED["chain"].payments_per_s
    assert payments_per_s("chain", 8) == MEASURED["chain"].payments_per_s // 2


@pytest.mark.parametrize(
    ("rate", "partitions", "workers", "severity"),
    [
        (None, 1, 0, "ok"),
        (20_000, 1, 1, "ok"),
        (50_000, 1, 1, "warning"),  # more than half of what one can do
        (90_000, 1, 1, "error"),  # more than all of it
        (100_000, 12, 2, "warning"),  # enough partitions, too few workers
        (100_000, 12, 4, "ok"),
    ],
)
def test_rate_against_partitions_and_workers(rate: int | None, partitions: int, workers: int, severity: str) -> None:
    form = "single" if partitions == 1 else "accounts"
    found = capacity_findings(form, stages=1, partitions=partitions, workers=workers, rate=rate)  # type: ignore[arg-type]
    assert worst(found) == severity


READ_PAYMENTS = Need("READ", "topic", "payments")


@pytest.mark.parametrize(
    ("acl", "need", "allowed"),
    [
        (Acl(2, "payments", 3, "User:w", 3, 3), READ_PAYMENTS, True),
        (Acl(2, "payments", 3, "User:other", 3, 3), READ_PAYMENTS, False),
        (Acl(2, "payments", 3, "User:w", 4, 3), READ_PAYMENTS, False),
        (Acl(2, "payments", 3, "User:w", 2, 3), READ_PAYMENTS, True),  # ALL
        (Acl(2, "pay", 4, "User:w", 3, 3), READ_PAYMENTS, True),  # a prefix
        (Acl(2, "pay", 3, "User:w", 3, 3), READ_PAYMENTS, False),
        (Acl(2, "*", 3, "User:*", 3, 3), READ_PAYMENTS, True),
        (Acl(3, "payments", 3, "User:w", 3, 3), READ_PAYMENTS, False),  # a group
        (Acl(5, "app-", 4, "User:w", 4, 3), Need("WRITE", "transactional id", "app-*"), True),
        (Acl(5, "app-0", 3, "User:w", 4, 3), Need("WRITE", "transactional id", "app-*"), False),
    ],
)
def test_an_acl_allows_what_it_names(acl: Acl, need: Need, allowed: bool) -> None:
    assert is_allowed([acl], "User:w", need) is allowed


def test_a_denial_counts_more_than_a_permission() -> None:
    acls = [Acl(2, "payments", 3, "User:w", 3, 3), Acl(2, "*", 3, "User:*", 2, 2)]
    assert not is_allowed(acls, "User:w", READ_PAYMENTS)


TRANSACTIONS = {24: 3, 3: 12}


def test_brokers_of_two_releases_are_told_apart() -> None:
    found = FoundBrokers({1: TRANSACTIONS, 2: {**TRANSACTIONS, 3: 13}}, {})
    (finding,) = broker_findings(found, needs_transactions=True)
    assert "brokers 1, 2 serve different versions" in finding.what


def test_a_broker_without_transactions_is_an_error_only_where_they_are_needed() -> None:
    found = FoundBrokers({1: {3: 12}}, {})
    assert worst(broker_findings(found, needs_transactions=True)) == "error"
    assert worst(broker_findings(found, needs_transactions=False)) == "ok"


def test_settings_of_brokers_that_lose_records_are_named() -> None:
    configs = {"unclean.leader.election.enable": "true", "offsets.topic.replication.factor": "1"}
    found = FoundBrokers(dict.fromkeys((1, 2, 3), TRANSACTIONS), configs)
    assert [finding.what.split(" is ")[0] for finding in broker_findings(found, needs_transactions=True)] == [
        "unclean.leader.election.enable",
        "offsets.topic.replication.factor",
    ]


def test_records_that_were_deleted_unread_are_an_error() -> None:
    (finding,) = lag_findings(GroupLag("g", "payments", 2, 2, 5, [1]))
    assert (finding.severity, "partitions 1" in finding.what) == ("error", True)
    assert worst(lag_findings(GroupLag("g", "payments", 2, 2, 20_000, []))) == "warning"
    assert worst(lag_findings(GroupLag("g", "payments", 2, 0, 0, []))) == "ok"


def test_a_directory_without_room_is_a_warning(tmp_path: Path) -> None:
    (finding,) = directory_findings({"history.directory": (tmp_path / "new", 10**18)})
    assert (finding.severity, finding.where) == ("warning", f"history.directory {tmp_path / 'new'}")
    assert worst(directory_findings({"history.directory": (tmp_path, 1)})) == "ok"


def test_the_same_finding_in_several_places_is_one_line() -> None:
    one, other = Finding("topics", "warning", "a", "x"), Finding("topics", "error", "a", "x")
    assert merged([one, other, Finding("topics", "warning", "b", "x")]) == [
        Finding("topics", "warning", "a, b", "x"),
        other,
    ]
