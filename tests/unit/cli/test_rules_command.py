"""`fraudstream rules check` and `test`: every fault and every failing case is shown, with exit code 1."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from fraudstream.cli.main import main

SHIPPED = Path(__file__).parents[3] / "rules"


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    """A copy of two of the shipped rules with the catalogue."""
    for name in ("features.yaml", "score.yaml", "dormant", "cash_out"):
        source = SHIPPED / name
        if source.is_dir():
            shutil.copytree(source, tmp_path / name)
        else:
            shutil.copy(source, tmp_path / name)
    return tmp_path


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_sound_rules_are_reported_as_sound(rules: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rules", "check", "--rules", str(rules)]) == 0
    assert "is valid: rule set" in capsys.readouterr().out


def test_check_shows_every_fault_with_a_caret(rules: Path, capsys: pytest.CaptureFixture[str]) -> None:
    replace(rules / "dormant/waking.yaml", "since_debit > 60d", "since_debt > 60d")
    replace(rules / "cash_out/withdrawal_burst.yaml", "severity: high", "severity: loud")
    assert main(["rules", "check", "--rules", str(rules)]) == 1
    shown = capsys.readouterr().err
    assert f"{rules}/dormant/waking.yaml:8:28: no field or feature 'account.since_debt'" in shown
    assert "Nearest: 'account.since_debit'" in shown
    assert f"{rules}/cash_out/withdrawal_burst.yaml:4:11: severity can't be 'loud'" in shown
    assert "2 faults" in shown
    assert "^" in shown


def test_check_gives_its_faults_as_json(rules: Path, capsys: pytest.CaptureFixture[str]) -> None:
    replace(rules / "dormant/waking.yaml", "amount >= 500", "amount >= 5h")
    assert main(["rules", "check", "--rules", str(rules), "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["sound"] is False
    [fault] = found["faults"]
    assert (fault["path"], fault["line"]) == (f"{rules}/dormant/waking.yaml", 8)


def test_passing_cases_are_counted(rules: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rules", "test", "--rules", str(rules)]) == 0
    count = len(list(rules.glob("**/*.test.yaml")))
    assert f"cases of {count} rules passed" in capsys.readouterr().out


def test_a_failing_case_is_a_line_with_expected_and_actual(rules: Path, capsys: pytest.CaptureFixture[str]) -> None:
    replace(rules / "dormant/waking.yaml", "60d", "80d")
    assert main(["rules", "test", "--rules", str(rules)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert f"{rules}/dormant/waking.test.yaml:3: the first payment in 75 days: expected fires, found silent" in lines
    assert main(["rules", "test", "--rules", str(rules), "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["passed"] is False
    assert {case["actual"] for case in found["failed"]} == {"silent"}


def test_a_directory_without_rules_is_one_plain_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rules", "check", str(tmp_path / "none")]) == 1
    assert "is not a directory of rules" in capsys.readouterr().err
    assert main(["rules", "check", str(tmp_path)]) == 1
    assert "contains no rules" in capsys.readouterr().err


def test_a_file_that_is_not_utf8_is_one_plain_sentence(rules: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (rules / "dormant/latin.yaml").write_bytes(b"title: caf\xe9")
    assert main(["rules", "check", "--rules", str(rules)]) == 1
    assert "is not UTF-8 at byte 10" in capsys.readouterr().err


def test_check_reads_the_cases_too(rules: Path, capsys: pytest.CaptureFixture[str]) -> None:
    replace(rules / "dormant/waking.test.yaml", "expect: fires", "expect: burns")
    assert main(["rules", "check", "--rules", str(rules)]) == 1
    assert f"{rules}/dormant/waking.test.yaml:5:13: expect can't be 'burns'" in capsys.readouterr().err


def test_files_that_are_not_read_are_named(rules: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (rules / "dormant/more.yml").write_text("")
    (rules / "dormant/deeper").mkdir()
    (rules / "dormant/deeper/rule.yaml").write_text("")
    assert main(["rules", "check", "--rules", str(rules)]) == 0
    shown = capsys.readouterr().err
    assert f"{rules}/dormant/more.yml is not read" in shown
    assert f"{rules}/dormant/deeper/rule.yaml is not read" in shown


def test_rules_whose_cases_fail_are_not_put_in_force(rules: Path, capsys: pytest.CaptureFixture[str]) -> None:
    replace(rules / "dormant/waking.yaml", "60d", "80d")
    assert main(["rules", "activate", str(rules), "--by", "r.holm"]) == 1
    shown = capsys.readouterr().err
    assert f"cases fail, first {rules}/dormant/waking.test.yaml:3: the first payment in 75 days" in shown


def test_a_failing_case_shows_the_values_that_it_saw(rules: Path, capsys: pytest.CaptureFixture[str]) -> None:
    replace(rules / "dormant/waking.yaml", "60d", "80d")
    assert main(["rules", "test", "--rules", str(rules)]) == 1
    shown = capsys.readouterr().out
    assert "no   account.since_debit > 80d  75d" in shown
    assert "values: account.since_debit 75d, amount" in shown
    assert main(["rules", "test", "--rules", str(rules), "--json"]) == 1
    failed = json.loads(capsys.readouterr().out)["failed"][0]
    assert failed["values"]["account.since_debit"] == "75d"
    assert {"left": "account.since_debit", "operator": ">", "right": "80d"}.items() <= next(
        tested["evidence"] for tested in failed["tested"] if tested["holds"] is False
    ).items()


def test_a_new_rule_passes_the_check_and_its_own_cases(rules: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rules", "new", "mule/large_at_night", "--rules", str(rules)]) == 0
    said = capsys.readouterr().out
    assert f"{rules}/mule/large_at_night.yaml" in said
    assert f"fraudstream rules check --rules {rules}" in said
    assert main(["rules", "check", "--rules", str(rules)]) == 0
    assert main(["rules", "test", "--rules", str(rules)]) == 0
    assert main(["rules", "new", "mule/large_at_night", "--rules", str(rules)]) == 1
    assert "exists already" in capsys.readouterr().err


def test_a_directory_named_twice_is_refused(rules: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rules", "check", str(rules), "--rules", "rules"]) == 1
    assert "two directories of rules are named" in capsys.readouterr().err


def test_the_reference_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rules", "reference"]) == 0
    assert "### Keys of `features.yaml`" in capsys.readouterr().out
