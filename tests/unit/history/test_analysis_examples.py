"""The queries of docs/analysis.md, run on a store whose answers are known."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.unit.history.filled_store import fill
from tests.unit.history.log_records import DAY, T0, decision, label, payment

PAGE = Path(__file__).parents[3] / "docs" / "analysis.md"
BLOCKS = re.findall(r"```sql\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
PREPARING, EXAMPLES = BLOCKS[:2], BLOCKS[2:]


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> duckdb.DuckDBPyConnection:
    """The store as the page prepares it: an account that pays little, then much to a new payee; its device's other
    account; a payment that was published twice."""
    root = tmp_path_factory.mktemp("history")
    small = [payment(n, at_ms=T0 + n * 3_600_000, channel="app", counterparty_id="cp-1") for n in range(10)]
    large = payment(10, at_ms=T0 + DAY, amount="500", channel="web", counterparty_id="cp-2", device_id="d", ip="i")
    other = payment(11, "acct-2", at_ms=T0 + DAY, amount="1", channel="web", device_id="d")
    again = large._replace(offset=12)
    labels = [label(13, "p-10", label="genuine", at_ms=T0 + DAY), label(14, "p-10", at_ms=T0 + 2 * DAY)]
    decisions = [decision(n, f"p-{n}", at_ms=T0 + n * 3_600_000) for n in range(10)]
    fired: dict[str, Any] = {"outcome": "block", "score": 0.65, "rules": ["a/b"], "alert_id": "f" * 32}
    decisions.append(decision(10, "p-10", at_ms=T0 + DAY, **fired))
    decisions.append(decision(11, "p-10", at_ms=T0 + DAY, outcome="allow", repeat=True))
    fill(root, [*small, large, other, again, *labels], decisions)
    connection = duckdb.connect()
    for block in PREPARING:
        connection.execute(block.replace("= 'history'", f"= '{root}'"))
    return connection


def rows(database: duckdb.DuckDBPyConnection, number: int) -> list[dict[str, Any]]:
    answer = database.execute(EXAMPLES[number - 1])
    names = [each[0] for each in answer.description or ()]
    return [dict(zip(names, row, strict=True)) for row in answer.fetchall()]


def test_the_page_has_five_examples() -> None:
    assert len(EXAMPLES) == 5


def test_a_day_is_summed_up_by_channel(database: duckdb.DuckDBPyConnection) -> None:
    web, app = rows(database, 1)
    assert (web["channel"], web["payments"], web["amount_minor"]) == ("web", 2, 50_100)
    assert (web["alerts"], web["blocked"]) == (1, 1)
    assert (app["payments"], app["amount_minor"], app["alerts"]) == (10, 12_500, 0)


def test_a_rule_has_its_precision(database: duckdb.DuckDBPyConnection) -> None:
    (row,) = rows(database, 2)
    assert (row["rule"], row["fired"], row["labelled"], row["precision"]) == ("a/b", 1, 1, 1.0)


def test_the_other_account_of_a_fraud_s_device_is_found(database: duckdb.DuckDBPyConnection) -> None:
    (row,) = rows(database, 3)
    assert (row["account_id"], row["shared"], row["payments"]) == ("acct-2", ["d"], 1)


def test_thresholds_count_alerts_and_labels(database: duckdb.DuckDBPyConnection) -> None:
    found = rows(database, 4)
    assert [float(row["threshold"]) for row in found] == [0.2, 0.3, 0.4, 0.5, 0.6]
    assert {(row["alerts_a_day"], row["fraud"], row["genuine"]) for row in found} == {(1.0, 1, 0)}


def test_a_large_first_payment_to_a_payee_is_found(database: duckdb.DuckDBPyConnection) -> None:
    (row,) = rows(database, 5)
    assert (row["event_id"], row["amount_minor"], row["usual_minor"], row["label"]) == ("p-10", 50_000, 1_250, "fraud")
