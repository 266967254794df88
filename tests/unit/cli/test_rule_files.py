"""The files of a rules directory: which are read, as Kubernetes and editors leave them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from fraudstream.cli.rule_files import ignored_files, load_rule_set, rule_texts

RULES = Path(__file__).parents[3] / "rules"
REVISION = "..2026_11_28_12_00_00.123456789"


@pytest.fixture
def config_map_volume(tmp_path: Path) -> Path:
    """The shipped rules as Kubernetes mounts a ConfigMap: links by way of `..data` to a directory of one revision."""
    volume = tmp_path / "rules"
    shutil.copytree(RULES, volume / REVISION)
    (volume / "..data").symlink_to(REVISION)
    for entry in RULES.iterdir():
        (volume / entry.name).symlink_to(Path("..data") / entry.name)
    return volume


def test_a_config_map_volume_is_the_rule_set_that_was_mounted(config_map_volume: Path) -> None:
    assert rule_texts(config_map_volume) == rule_texts(RULES)
    assert load_rule_set(config_map_volume).digest == load_rule_set(RULES).digest


def test_the_revisions_of_a_config_map_volume_are_not_reported_as_unread_files(config_map_volume: Path) -> None:
    assert ignored_files(config_map_volume) == []


def test_a_hidden_file_is_not_a_rule_and_is_reported(tmp_path: Path) -> None:
    directory = tmp_path / "rules"
    shutil.copytree(RULES, directory)
    hidden = directory / "mule" / ".copy.yaml"
    hidden.write_text("a backup of an editor", encoding="utf-8")
    (directory / ".git").mkdir()
    assert load_rule_set(directory).digest == load_rule_set(RULES).digest
    assert ignored_files(directory) == [hidden]
