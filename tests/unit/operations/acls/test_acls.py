"""What parts need, how a user's ACLs differ from it, and the commands that give them."""

from __future__ import annotations

import pytest

from fraudstream.operations.acls.admin_commands import admin_commands
from fraudstream.operations.acls.cluster_acls import Acl, difference
from fraudstream.operations.acls.needs import PARTS, AclScope, Need, needs_of

TOPICS = (
    *("payments", "labels", "decisions", "alerts", "dead-letters", "controls", "cases", "case-actions"),
    *("case-answers", "notices", "notice-answers", "audit", "replies"),
)
DECIDING = ("controls", "decisions", "alerts", "cases", "audit", "case-actions", "labels")
PAYMENTS, CHANGES = Need("WRITE", "topic", "payments"), Need("WRITE", "transactional id", "app-*")


def scope(**changed: object) -> AclScope:
    given = {"names": {name: name for name in TOPICS}, "stages": (), "cases_group": "c", "bridge_group": "b"}
    return AclScope(**{**given, "webhooks_group": "w", **changed})  # type: ignore[arg-type]


@pytest.mark.parametrize("part", ["publisher", "gateway", "bridge"])
def test_who_publishes_payments_may_write_no_topic_that_decides(part: str) -> None:
    written = {need.name for need in needs_of(part, scope(bridge_source="bank")) if need.operation == "WRITE"}
    assert "payments" in written
    assert written.isdisjoint(DECIDING)


def test_a_labels_publisher_may_write_labels_alone() -> None:
    assert needs_of("label-publisher", scope()) == [Need("WRITE", "topic", "labels")]


def test_only_a_console_that_may_activate_may_write_controls() -> None:
    writes = Need("WRITE", "topic", "controls")
    assert writes not in needs_of("console", scope())
    assert writes in needs_of("console", scope(console_activates=True))


def test_no_part_but_those_that_must_may_write_what_decides() -> None:
    writers = {
        topic: {part for part in PARTS if Need("WRITE", "topic", topic) in needs_of(part, scope())}
        for topic in DECIDING
    }
    assert writers == {
        "controls": {"worker"},
        "decisions": {"worker"},
        "alerts": {"worker"},
        "cases": {"cases"},
        "audit": {"console"},
        "case-actions": {"cases", "console"},
        "labels": {"label-publisher"},
    }


def test_what_a_user_lacks_and_what_it_has_beyond_its_needs() -> None:
    acls = [
        Acl(2, "payments", 3, "User:p", 4, 3),
        Acl(2, "payments", 3, "User:p", 8, 3),  # DESCRIBE comes with WRITE
        Acl(2, "controls", 3, "User:p", 4, 3),
        Acl(2, "pay", 4, "User:p", 3, 3),
        Acl(2, "*", 3, "User:p", 2, 3),
        Acl(2, "decisions", 3, "User:other", 4, 3),
    ]
    found = difference(acls, "publisher", "User:p", [PAYMENTS, CHANGES, Need("WRITE", "topic", "r", "in one case")])
    assert found.missing == (CHANGES,)
    assert list(map(str, found.beyond)) == ["WRITE topic 'controls'", "READ topic 'pay*'", "ALL topic '*'"]


def test_a_deny_is_missing() -> None:
    acls = [Acl(2, "payments", 3, "User:p", 4, 3), Acl(2, "payments", 3, "User:*", 2, 2)]
    assert difference(acls, "publisher", "User:p", [PAYMENTS]).missing == (PAYMENTS,)


def test_a_command_for_each_resource() -> None:
    needs = [Need("READ", "topic", "payments"), PAYMENTS, CHANGES]
    begin = "kafka-acls.sh --bootstrap-server k:9093 --command-config admin.properties --add --allow-principal User:w"
    assert list(admin_commands("k:9093", "User:w", needs)) == [
        f"{begin} --operation Read --operation Write --topic payments",
        f"{begin} --operation Write --transactional-id app- --resource-pattern-type prefixed",
    ]
