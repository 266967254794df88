import json
from pathlib import Path

import pytest

from fraudstream.cli.main import main
from fraudstream.contracts.schemas import CONTRACTS


def test_schemas_are_printed_as_one_json_object(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["topics", "schemas"]) == 0
    assert json.loads(capsys.readouterr().out).keys() == set(CONTRACTS)


def test_written_schemas_pass_the_check(tmp_path: Path) -> None:
    assert main(["topics", "schemas", "--write", str(tmp_path / "new")]) == 0
    assert main(["topics", "schemas", "--check", str(tmp_path / "new")]) == 0


def test_a_schema_that_differs_or_is_too_many_fails_the_check(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["topics", "schemas", "--write", str(tmp_path)])
    (tmp_path / "alert.json").write_text("{}")
    (tmp_path / "refund.json").write_text("{}")
    capsys.readouterr()
    assert main(["topics", "schemas", "--check", str(tmp_path)]) == 1
    assert "alert.json, refund.json: out of date" in capsys.readouterr().err
    assert main(["topics", "schemas", "--check", str(tmp_path), "--json"]) == 1
    assert json.loads(capsys.readouterr().out) == {"differing": ["alert.json", "refund.json"]}
