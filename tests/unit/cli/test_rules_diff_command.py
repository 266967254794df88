"""`fraudstream rules diff` on files: the three forms of its output, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fraudstream.cli.main import main

FEATURES = """
version: 1
entities:
  account: {key: account_id, slots: 16}
features:
  account.payments_1d: {aggregate: count, window: 1d}
"""
RULE = """
id: 11111111-2222-4333-8444-555555555555
title: Large payment
status: live
severity: high
when: amount > LIMIT
message: "{amount} to {terminal_id}"
"""
HEADER = "TRANSACTION_ID,TX_DATETIME,CUSTOMER_ID,TERMINAL_ID,TX_AMOUNT,TX_FRAUD\n"
ROWS = (
    "1,2025-01-01 10:00:00,a,t,250.00,0",
    "2,2025-01-02 10:00:00,a,x|[y](z),150.00,1",
    "3,2025-01-02 22:00:00,b,t,20.00,0",
)


class Diff:
    """`rules diff` from a limit of 200 to one of 100, on three payments."""

    def __init__(self, directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self.old, self.new = (self._rules(directory / name, limit) for name, limit in (("old", "200"), ("new", "100")))
        self.file = directory / "payments.csv"
        self.file.write_text(HEADER + "".join(f"{row}\n" for row in ROWS))

    @staticmethod
    def _rules(directory: Path, limit: str) -> Path:
        (directory / "cards").mkdir(parents=True)
        (directory / "features.yaml").write_text(FEATURES)
        (directory / "cards" / "large.yaml").write_text(RULE.replace("LIMIT", limit))
        return directory

    def run(self, *flags: str) -> tuple[int, str, str]:
        code = main(["rules", "diff", str(self.old), str(self.new), *flags])
        return code, *self._capsys.readouterr()

    def shown(self, *flags: str) -> str:
        code, shown, error = self.run("--on", str(self.file), "--mapping", "handbook", *flags)
        assert code == 0, error
        return shown

    def found(self, *flags: str) -> Any:
        return json.loads(self.shown("--json", *flags))


@pytest.fixture
def diff(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Diff:
    return Diff(tmp_path, capsys)


def test_the_difference_is_told_in_words(diff: Diff) -> None:
    shown = " ".join(diff.shown().split())
    assert "Alerts gained: 1, lost: 0, unchanged: 1, on 3 payments in 1.5 days." in shown
    assert "cards/large changed: when 1 2 0.0% 50.0%" in shown
    assert "2025-01-02T10:00:00Z 2 150.00 EUR, fraud, allow → review cards/large: 150.00 EUR to x|[y](z)" in shown


def test_json_has_every_figure(diff: Diff) -> None:
    found = diff.found("--since", "2025-01-02", "--until", "2025-01-03", "--minutes-per-alert", "30", "--examples", "0")
    assert (found["payments"], found["warm_up"], found["days"]) == (2, 1, 1.0)
    assert found["gained"]["alerts"] == {"count": 1, "frauds": 1, "genuine": 0, "precision": 1.0}
    assert found["gained"]["amounts"] == {"EUR": "150.00"}
    assert found["new"]["analyst_hours"] == 0.5
    assert [rule["change"] for rule in found["rules"]] == ["changed"]
    assert found["examples_gained"] == []


def test_markdown_is_for_a_pull_request(diff: Diff) -> None:
    shown = diff.shown("--markdown")
    assert shown.startswith("### Alerts gained: 1, lost: 0, unchanged: 1, on 3 payments in 1.5 days.\n\n| ")
    assert "| cards/large | changed: when | 1 | 2 | 0.0% | 50.0% |" in shown
    assert r"cards/large: 150.00 EUR to x\|\[y\]\(z\) |" in shown  # texts of payments are no markup


def test_the_same_directory_differs_in_nothing(diff: Diff) -> None:
    diff.new = diff.old
    found = diff.found()
    assert (found["gained"]["alerts"]["count"], found["lost"]["alerts"]["count"]) == (0, 0)
    assert "no alert differs on 3 payments" in diff.shown()


def test_progress_is_written_as_lines_for_programs(diff: Diff) -> None:
    code, _, error = diff.run("--on", str(diff.file), "--mapping", "handbook", "--json", "--json-progress")
    assert code == 0
    assert json.loads(error.splitlines()[0])["progress"]["payments"] == 3


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        ((), "give files of payments with --on, or --topics"),
        (("--on", "x.csv", "--topics"), "and only one of them"),
        (("--on", "x.csv", "--warm-up", "30d"), "--warm-up is the time before what is counted"),
        (("--on", "x.csv", "--last", "1d"), "--last is for --topics"),
        (("--on", "x.csv", "--since", "2025-01-02", "--until", "2025-01-02"), "--since must be before --until"),
        (("--on", "x.csv", "--examples", "-1"), "must be 0 or more"),
        (("--on", "x.csv", "--mapping", "handbook"), "x.csv"),
    ],
)
def test_what_does_not_fit_is_refused(diff: Diff, flags: tuple[str, ...], sentence: str) -> None:
    code, _, error = diff.run(*flags)
    assert code == 1
    assert sentence in error


def test_rules_with_a_fault_are_named(diff: Diff) -> None:
    (diff.new / "cards" / "large.yaml").write_text(RULE.replace("LIMIT", "1h"))
    code, _, error = diff.run("--on", str(diff.file), "--mapping", "handbook")
    assert code == 1
    assert f"{diff.new / 'cards' / 'large.yaml'}:6:" in error
