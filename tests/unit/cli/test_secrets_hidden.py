"""A secret in the settings is in no text that may be logged, printed, or seen among process arguments."""

from __future__ import annotations

from pathlib import Path

import pytest

from fraudstream.cli.case_agent import agent_settings
from fraudstream.cli.command_process import command_of, environment_of
from fraudstream.cli.main import main
from fraudstream.cli.settings import SECTIONS, is_secret, load_settings
from fraudstream.cli.worker import stream_settings

PASSWORD = "canary-of-kafka"
IDENTIFIERS, CONTROLS, LABELS = "5e" * 16, "c7" * 32, "1a" * 32
REDIS = "canary-of-redis"
_TEXTS = [IDENTIFIERS, CONTROLS, LABELS]
CANARIES = [PASSWORD, REDIS, *_TEXTS, *(repr(bytes.fromhex(text))[2:-1] for text in _TEXTS)]
PUBLIC = {f"gateway.token_{name}" for name in ("issuer", "audience", "keys_url", "subject_claim")}


def environment(directory: Path) -> dict[str, str]:
    """Settings with a secret in each place that takes one."""
    for name, text in (("controls", CONTROLS), ("labels", LABELS)):
        (directory / name).write_text(f"key-1 {text}\n")
    return {
        "FRAUDSTREAM_KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT",
        "FRAUDSTREAM_KAFKA_SASL_USERNAME": "worker",
        "FRAUDSTREAM_KAFKA_SASL_PASSWORD": PASSWORD,
        "FRAUDSTREAM_REDIS_URL": f"redis://cases:{REDIS}@cache:6379/0",
        "FRAUDSTREAM_IDENTIFIERS_SECRET": IDENTIFIERS,
        "FRAUDSTREAM_SIGNATURES_CONTROLS_FILE": str(directory / "controls"),
        "FRAUDSTREAM_SIGNATURES_LABELS_FILE": str(directory / "labels"),
    }


def assert_hidden(text: str) -> None:
    """No secret is in `text`."""
    assert [canary for canary in CANARIES if canary in text] == []


def test_the_text_of_settings_and_of_what_is_made_of_them_hides_every_secret(tmp_path: Path) -> None:
    settings = load_settings(environment=environment(tmp_path))
    stream, agent = stream_settings(settings), agent_settings(settings)
    assert stream.signatures.controls is not None
    for each in (settings, stream, agent, stream.brokers, stream.signatures, *vars(stream.signatures.controls).keys()):
        assert_hidden(f"{each!r} {each}")


@pytest.mark.parametrize("words", [["config"], ["config", "--json"]])
def test_config_prints_no_secret(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment(tmp_path).items():
        monkeypatch.setenv(name, value)
    assert main(words) == 0
    printed = capsys.readouterr()
    assert str(tmp_path / "controls") in printed.out
    assert_hidden(printed.out + printed.err)


def test_the_processes_of_up_get_no_secret_as_an_argument(tmp_path: Path) -> None:
    settings = load_settings(environment=environment(tmp_path))
    of_child = environment_of(settings)
    assert of_child["FRAUDSTREAM_KAFKA_SASL_PASSWORD"] == PASSWORD, "the environment is how they get it"
    assert_hidden(" ".join(command_of("worker", "--json")))


def test_a_setting_that_holds_a_secret_is_marked_as_one() -> None:
    """A new setting with such a name must be marked, or end in `_file`."""
    named = {
        f"{section}.{name}"
        for section, struct in SECTIONS.items()
        for name in struct.__struct_fields__
        if any(word in name for word in ("secret", "password", "token", "api_key")) and not name.endswith("_file")
    }
    unmarked = sorted(setting for setting in named - PUBLIC if not is_secret(setting))
    assert unmarked == []
