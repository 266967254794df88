"""Imports point one way: the contracts under [tool.importlinter] in pyproject.toml hold."""

from pathlib import Path

import pytest
from importlinter import cli

ROOT = Path(__file__).parents[2]


def lint(config: Path, capsys: pytest.CaptureFixture[str]) -> tuple[bool, str]:
    """Whether all contracts of `config` hold, and the report."""
    kept = cli.lint_imports(config_filename=str(config), no_cache=True) == cli.EXIT_STATUS_SUCCESS
    return kept, capsys.readouterr().out


def test_imports_point_one_way(capsys: pytest.CaptureFixture[str]) -> None:
    kept, report = lint(ROOT / "pyproject.toml", capsys)
    assert kept, report


def test_an_import_against_the_arrow_is_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Guard: the linter does look at our packages, so that the test above can fail."""
    config = tmp_path / "pyproject.toml"
    config.write_text(
        '[tool.importlinter]\nroot_package = "fraudstream"\n'
        '[[tool.importlinter.contracts]]\nname = "upside down"\ntype = "layers"\n'
        'layers = ["fraudstream.contracts", "fraudstream.cli"]\n'
    )
    kept, report = lint(config, capsys)
    assert not kept
    assert "fraudstream.cli.topics -> fraudstream.contracts.schemas" in report
