import json
from pathlib import Path

import pytest

from fraudstream.cli.main import main
from fraudstream.cli.settings import SECTIONS


@pytest.fixture(autouse=True)
def in_an_empty_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_every_setting_is_shown_with_its_origin(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FRAUDSTREAM_METRICS_PORT", "9999")
    assert main(["config", "--json", "--set", "worker.decisions=false"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown.keys() == {
        f"{section}.{name}" for section, struct in SECTIONS.items() for name in struct.__struct_fields__
    }
    assert (shown["metrics.port"]["value"], shown["metrics.port"]["from"]) == (9999, "FRAUDSTREAM_METRICS_PORT")
    assert (shown["worker.decisions"]["value"], shown["worker.decisions"]["from"]) == (False, "--set")
    assert shown["worker.group"]["from"] == "default"


def test_the_table_has_a_line_for_each_setting(capsys: pytest.CaptureFixture[str]) -> None:
    Path("other.toml").write_text('[cases]\ngroup = "night"\n')
    assert main(["config", "--config", "other.toml"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["cases.group", "night", "other.toml"] in lines
    assert ["topics.partitions", "-", "default"] in lines


@pytest.mark.parametrize("form", [["--json"], []])
def test_the_password_for_kafka_is_not_shown(
    form: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FRAUDSTREAM_KAFKA_SASL_PASSWORD", "geheim")
    assert main(["config", *form]) == 0
    out = capsys.readouterr().out
    assert "***" in out
    assert "geheim" not in out


@pytest.mark.parametrize("form", [["--json"], []])
def test_the_identifier_secret_is_not_shown(form: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "--set", f"identifiers.secret={'5e' * 16}", *form]) == 0
    assert "5e5e" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://user:geheim@host:6379/0", "redis://user:***@host:6379/0"),
        ("redis://:geheim@host", "redis://:***@host"),
        ("rediss://:ge@heim@host", "rediss://:***@host"),
        ("redis://:ge/heim:x@host", "redis://:***@host"),
        ("redis://host:6379/0?password=geheim", "redis://host:6379/0?password=***"),
        ("redis://host:6379/0", "redis://host:6379/0"),
    ],
)
@pytest.mark.parametrize("form", [["--json"], []])
def test_passwords_are_masked(url: str, shown: str, form: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "--set", f"redis.url={url}", *form]) == 0
    out = capsys.readouterr().out
    assert shown in out
    assert "geheim" not in out
    assert "heim@" not in out
