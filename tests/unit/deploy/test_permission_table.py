"""The table of permissions in docs/runbook.md is what the tests on a secured cluster run with, and lets no publisher of
payments write or read what it must not."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import pytest

from fraudstream.kafka import Brokers
from fraudstream.operations.acls.needs import PARTS, AclScope, Need, needs_of
from fraudstream.stream.settings import StreamSettings

RUNBOOK = Path(__file__).parents[3] / "docs" / "runbook.md"
BROKERS = Brokers("kafka-1:9092")
WORKER = StreamSettings(brokers=BROKERS, checkpoint_mode="transaction", group="WORKER")
TOPICS = {
    *("payments", "labels", "decisions", "alerts", "dead-letters", "controls"),
    *("cases", "case-actions", "case-answers", "notices", "notice-answers", "audit", "replies"),
}
SCOPE = AclScope(
    names={name: name for name in TOPICS},
    stages=[WORKER],
    cases_group="fraudstream-cases",
    bridge_group="fraudstream-bridge",
    webhooks_group="fraudstream-webhooks",
    bridge_source="its source topic",
)
ROWS = {
    "`worker`": "worker",
    "`cases`": "cases",
    "`console`": "console",
    "`gateway`": "gateway",
    "`bridge`": "bridge",
    "`history` (its writer)": "history",
    "`webhooks`": "webhooks",
    "`audit`": "audit",
    "publishers, `publish`, `generate`": "publisher",
    "publishers of labels": "label-publisher",
}


class Row(NamedTuple):
    """Topics that a part may read and write, as the table names them."""

    read: set[str]
    write: set[str]
    more: str


def table() -> dict[str, Row]:
    """The rows by the names in their first cell."""
    section = RUNBOOK.read_text().split("## Permissions\n")[1].split("\n## ")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line[:1] == "|"]
    return {part: Row(topics_in(read), topics_in(write), more) for part, read, write, more in rows[2:]}


def topics_in(cell: str) -> set[str]:
    """The topics in a cell, without what is optional (behind a semicolon) and without remarks in brackets."""
    plain = re.sub(r"\([^)]*\)", "", cell.partition(";")[0])
    return {name for name in (part.strip() for part in plain.split(",")) if name}


def needed(part: str) -> list[Need]:
    """What a part needs in every case."""
    return [need for need in needs_of(part, SCOPE) if not need.when]


def topics_of(part: str, operation: str) -> set[str]:
    """The topics that a part needs, the changelog as the table names it."""
    named = [need.name for need in needed(part) if (need.operation, need.resource) == (operation, "topic")]
    return {"WORKER-state-changelog" if name == WORKER.changelog_topic else name for name in named}


@pytest.mark.parametrize("name", ROWS)
def test_the_table_lists_the_topics_that_the_tests_run_with(name: str) -> None:
    row = table()[name]
    assert (row.read, row.write) == (topics_of(ROWS[name], "READ"), topics_of(ROWS[name], "WRITE"))


def test_every_part_has_a_row() -> None:
    assert set(ROWS.values()) == set(PARTS)


def test_the_tests_run_with_the_groups_and_transactional_ids_of_the_table() -> None:
    others = {need for part in PARTS for need in needed(part) if need.resource != "topic"}
    assert others == {
        Need("READ", "group", "WORKER-account"),
        Need("WRITE", "transactional id", "WORKER-account-*"),
        Need("READ", "group", "fraudstream-cases"),
        Need("WRITE", "transactional id", "fraudstream-cases-*"),
        Need("READ", "group", "fraudstream-bridge"),
        Need("WRITE", "transactional id", "fraudstream-bridge-*"),
        Need("READ", "group", "fraudstream-webhooks-*"),
    }
    assert "READ groups `fraudstream-webhooks-*`" in table()["`webhooks`"].more
    assert "READ group `fraudstream-bridge`" in table()["`bridge`"].more
    assert "READ group WORKER; WRITE transactional ids `WORKER-*`" in table()["`worker`"].more
    assert "READ group `fraudstream-cases`" in table()["`cases`"].more


@pytest.mark.parametrize("part", ["publishers, `publish`, `generate`", "`gateway`", "`bridge`"])
def test_who_publishes_payments_may_write_nothing_that_decides_and_not_read_the_log(part: str) -> None:
    """Who may read the log as well could publish a signed control of it again."""
    row = table()[part]
    assert row.write <= {"payments", "dead-letters"}
    assert not row.read & (TOPICS - {"replies"})


def test_only_named_parts_may_write_controls() -> None:
    writers = {part for part, row in table().items() if "controls" in row.write}
    assert writers == {
        "`worker`",
        "each further stage of `worker`",
        "`rules activate`",
        "`lists` (`add --case` also alerts, and Redis)",
    }
