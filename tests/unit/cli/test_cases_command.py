"""`fraudstream cases`: what is refused before anything is connected."""

import re
from pathlib import Path

import pytest

from fraudstream.cli import main as cli
from fraudstream.supervision import exit_codes


def test_a_policy_that_cannot_be_used_stops_the_agent_with_its_place(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text("queues: [{name: a, sevirity: high}]")
    assert cli.main(["cases", "--set", f"cases.policy={path}"]) == exit_codes.REFUSED
    assert capsys.readouterr().err.endswith(
        f"cases.policy: {path}: Object contains unknown field `sevirity` - at `$.queues[0]`.\n"
    )


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        (["stolen_devices"], "give a VALUE, or --case and --field."),
        (["stolen_devices", "--case", "b42be4f8"], "give --case and --field together."),
        (["stolen_devices", "dev-1", "--field", "device_id"], "give --case and --field together."),
    ],
)
def test_values_for_a_list_are_named_or_come_from_a_case(
    argv: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["lists", "add", *argv]) == 1
    assert capsys.readouterr().err == f"fraudstream: {sentence}\n"


@pytest.mark.parametrize(
    "argv", [["snooze", "case-1", "--for", "soon", "why"], ["wait", "case-1", "--for", "me", "why"]]
)
def test_a_detail_that_an_action_cannot_have_is_wrong_usage(argv: list[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        cli.main(["cases", *argv])


def test_a_redis_that_does_not_answer_is_reported_with_where_its_address_is_set(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.main(["cases", "list", "--redis-url", "redis://127.0.0.1:1/0"]) == 1
    error = capsys.readouterr().err
    assert error == (
        "fraudstream: the view cannot be read: no Redis answers at 127.0.0.1:1 (Connection refused): see that it is up "
        "and that redis.url is right. The board of `fraudstream up` shows the address of its Redis.\n"
    )


NO_REDIS = {"FRAUDSTREAM_REDIS_URL": "redis://127.0.0.1:1/0", "FRAUDSTREAM_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"}


@pytest.mark.parametrize(
    "argv",
    [
        ["cases", "absent"],
        ["console", "user", "list"],
        ["console", "token", "list"],
        ["send", "{}", "--url", "http://127.0.0.1:1"],
        ["doctor"],
        ["lists", "show", "stolen_devices"],
    ],
)
def test_what_does_not_answer_is_named_without_numbers_and_classes(
    argv: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in NO_REDIS.items():
        monkeypatch.setenv(name, value)
    assert cli.main(argv) == 1
    sentence = capsys.readouterr().err.splitlines()[-1]
    assert sentence.startswith("fraudstream: ")
    assert "127.0.0.1:1" in sentence
    assert re.search(r"\[?Err(no|or) |Error\b|AddressFamily|Connect call", sentence) is None, sentence
