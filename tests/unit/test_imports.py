"""Imports point one way: the contracts under [tool.importlinter] in pyproject.toml hold."""

from pathlib import Path

import pytest
from importlinter import cli

ROOT = Path(__file__).parents[2]


def lint(config: Path, capsys: pytest.CaptureFixture[str]) -> tuple[bool, str]:
    """Whether all contracts of `config` hold, and the report."""
    passed = cli.lint_imports(config_filename=str(config), no_cache=True) == cli.EXIT_STATUS_SUCCESS
    return passed, capsys.readouterr().out


def test_imports_point_one_way(capsys: pytest.CaptureFixture[str]) -> None:
    passed, report = lint(ROOT / "pyproject.toml", capsys)
    assert passed, report


def test_an_import_against_the_arrow_is_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Guard: the linter does look at our packages, so that the test above can fail."""
    config = tmp_path / "pyproject.toml"
    config.write_text(
        '[tool.importlinter]\nroot_package = "fraudstream"\n'
        '[[tool.importlinter.contracts]]\nname = "upside down"\ntype = "layers"\n'
        'layers = ["fraudstream.contracts", "fraudstream.cli"]\n'
    )
    passed, report = lint(config, capsys)
    assert not passed
    assert "fraudstream.cli.topics -> fraudstream.contracts.schemas" in report
