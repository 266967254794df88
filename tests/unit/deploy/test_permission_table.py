"""The table of permissions in docs/runbook.md is what the tests on a secured cluster run with, and lets no publisher of
payments write or read what it must not."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import pytest

from fraudstream.cases.settings import AgentSettings
from fraudstream.kafka import Brokers
from fraudstream.stream.settings import StreamSettings
from tests.integration.kafka.acls import Acl
from tests.integration.kafka.needed_acls import needed_acls

RUNBOOK = Path(__file__).parents[3] / "docs" / "runbook.md"
BROKERS = Brokers("kafka-1:9092")
WORKER = StreamSettings(brokers=BROKERS, checkpoint_mode="transaction", group="WORKER")
NEEDED = needed_acls(WORKER, AgentSettings(brokers=BROKERS, redis_url="redis://cache", fenced=True))
TOPICS = {
    *("payments", "labels", "decisions", "alerts", "dead-letters", "controls"),
    *("cases", "case-actions", "case-answers"),
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


def topics_of(user: str, operation: str) -> set[str]:
    """The topics of a user's ACLs, the changelog as the table names it."""
    named = [acl.name for acl in NEEDED[user] if (acl.operation, acl.resource) == (operation, "topic")]
    return {"WORKER-state-changelog" if name == WORKER.changelog_topic else name for name in named}


@pytest.mark.parametrize(
    ("part", "user"),
    [("`worker`", "worker"), ("`cases`", "cases"), ("publishers, `publish`, `generate`", "publisher")],
)
def test_the_table_lists_the_topics_that_the_tests_run_with(part: str, user: str) -> None:
    row = table()[part]
    assert (row.read, row.write) == (topics_of(user, "READ"), topics_of(user, "WRITE"))


def test_the_tests_run_with_the_groups_and_transactional_ids_of_the_table() -> None:
    others = {acl for user in ("worker", "cases") for acl in NEEDED[user] if acl.resource != "topic"}
    assert others == {
        Acl("READ", "group", "WORKER-account"),
        Acl("WRITE", "transactional id", "WORKER-account-*"),
        Acl("READ", "group", "fraudstream-cases"),
        Acl("WRITE", "transactional id", "fraudstream-cases-*"),
    }
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
