import argparse
from pathlib import Path

import pytest

from fraudstream.cli.failure import Failure
from fraudstream.cli.settings import SECTIONS, Override, Settings, add_setting, describe, load_settings, overrides_of


@pytest.fixture(autouse=True)
def in_an_empty_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def file(text: str, name: str = "fraudstream.toml") -> str:
    Path(name).write_text(text, encoding="utf-8")
    return name


def said_of(file: str | None = None, environment: dict[str, str] | None = None, *overrides: Override) -> str:
    with pytest.raises(Failure) as caught:
        load_settings(file, environment, overrides)
    return caught.value.sentence


def test_without_file_and_environment_the_defaults_hold() -> None:
    settings = load_settings()
    assert settings.kafka.bootstrap_servers == "127.0.0.1:9092"
    assert settings.metrics.host == "127.0.0.1"
    assert settings.worker.checkpoint_mode == "transaction"
    assert settings.topics.dead_letters == "dead-letters"
    assert settings.origins["kafka.bootstrap_servers"] == "default"


def test_environment_goes_over_file_and_flags_over_both() -> None:
    path = file('[worker]\ngroup = "file"\ncheckpoint_interval_s = 1\nbatch_records_max = 10\nstage = "account"\n')
    settings = load_settings(
        path,
        {"FRAUDSTREAM_WORKER_CHECKPOINT_INTERVAL_S": "2", "FRAUDSTREAM_WORKER_BATCH_RECORDS_MAX": "20"},
        [Override("worker.batch_records_max", "30", "--set")],
    )
    assert (settings.worker.group, settings.worker.checkpoint_interval_s, settings.worker.batch_records_max) == (
        "file",
        2.0,
        30,
    )
    origins = settings.origins
    assert origins["worker.group"] == "fraudstream.toml"
    assert origins["worker.checkpoint_interval_s"] == "FRAUDSTREAM_WORKER_CHECKPOINT_INTERVAL_S"
    assert origins["worker.batch_records_max"] == "--set"
    assert origins["worker.decisions"] == "default"


def test_the_file_in_the_working_directory_is_read_unasked() -> None:
    file('[redis]\nurl = "redis://elsewhere:6379/1"\n')
    assert load_settings().redis.url == "redis://elsewhere:6379/1"


def test_a_file_that_was_asked_for_must_be_there() -> None:
    assert said_of("nosuch.toml") == "nosuch.toml: cannot read the settings: No such file or directory."


def test_what_is_no_toml_is_told_with_its_place() -> None:
    assert said_of(file("[worker\n")).startswith("fraudstream.toml: not a TOML file: ")
    assert "line 1" in said_of(file("[worker\n"))


def test_a_misspelt_section_is_told_with_the_nearest() -> None:
    assert said_of(file("[wroker]\n")) == "fraudstream.toml: unknown section [wroker]. Nearest: 'worker'."


def test_a_misspelt_setting_is_told_with_the_nearest() -> None:
    sentence = "fraudstream.toml: unknown setting 'checkpoint_intervall' in [worker]. Nearest: 'checkpoint_interval_s'."
    assert said_of(file("[worker]\ncheckpoint_intervall = 1\n")) == sentence


def test_a_setting_outside_a_section_is_told() -> None:
    assert said_of(file("worker = 1\n")) == "fraudstream.toml: 'worker' must be a section: [worker]."


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('decisions = "yes"', "worker.decisions = 'yes': Expected `bool`, got `str`."),
        ('batch_records_max = "many"', "worker.batch_records_max = 'many': Expected `int`, got `str`."),
        ("batch_records_max = 0", "worker.batch_records_max = 0: Expected `int` >= 1."),
        ('stage = "De Vice"', "worker.stage = 'De Vice': Expected `str` matching regex '^[a-z][a-z0-9_]{0,63}$'."),
    ],
)
def test_a_wrong_value_is_told_with_file_and_setting(text: str, sentence: str) -> None:
    assert said_of(file(f"[worker]\n{text}\n")) == f"fraudstream.toml: {sentence}"


def test_a_misspelt_variable_is_told_with_the_nearest() -> None:
    sentence = said_of(None, {"FRAUDSTREAM_WORKER_GRUOP": "x"})
    assert sentence == "environment: unknown variable FRAUDSTREAM_WORKER_GRUOP. Nearest: 'FRAUDSTREAM_WORKER_GROUP'."


@pytest.mark.parametrize(
    "variable",
    [
        "PATH",
        "FRAUDSTREAM_TEST_KAFKA",
        "FRAUDSTREAM_SERVICE_HOST",
        "FRAUDSTREAM_PORT",
        "FRAUDSTREAM_REDIS_SERVICE_PORT_CLIENT",
        "FRAUDSTREAM_REDIS_PORT_6379_TCP_ADDR",
    ],
)
def test_variables_of_the_surroundings_are_none_of_our_settings(variable: str) -> None:
    assert load_settings(None, {variable: "tcp://10.0.0.1:6379"}) == load_settings()


@pytest.mark.parametrize(("text", "value"), [("true", True), ("1", True), ("false", False), ("0", False)])
def test_a_flag_in_the_environment_is_a_word_or_a_digit(text: str, value: bool) -> None:
    assert load_settings(None, {"FRAUDSTREAM_WORKER_DECISIONS": text}).worker.decisions is value


def test_the_wrong_value_of_a_variable_is_told() -> None:
    sentence = said_of(None, {"FRAUDSTREAM_METRICS_PORT": "http"})
    assert sentence == "FRAUDSTREAM_METRICS_PORT: metrics.port = 'http': Expected `int`, got `str`."


@pytest.mark.parametrize("assignment", ["worker.group", "group=x", "a.b.c=1"])
def test_set_without_section_name_and_value_is_told(assignment: str) -> None:
    with pytest.raises(Failure, match=r"--set .*: expected SECTION.NAME=VALUE, as in --set worker.decisions=false\."):
        overrides_of([assignment], argparse.Namespace())


def test_a_flag_of_its_own_lies_over_the_settings() -> None:
    parser = argparse.ArgumentParser()
    for setting in ("kafka.bootstrap_servers", "worker.decisions", "topics.partitions"):
        add_setting(parser, setting)
    args = parser.parse_args(["--bootstrap-servers", "kafka:9092", "--no-decisions"])
    settings = load_settings(None, {}, overrides_of([], args))
    assert settings.kafka.bootstrap_servers == "kafka:9092"
    assert settings.worker.decisions is False
    assert settings.topics.partitions is None
    assert settings.origins["topics.partitions"] == "default"


@pytest.mark.parametrize(("text", "ms"), [("90s", 90_000), ("15m", 900_000), ("6h", 21_600_000), ("1d", 86_400_000)])
def test_a_span_of_time_has_its_unit(text: str, ms: int) -> None:
    settings = load_settings(None, {"FRAUDSTREAM_WORKER_TOO_FAR_AHEAD": text})
    assert settings.worker.too_far_ahead_ms == ms


@pytest.mark.parametrize("text", ["1", "1w", "-1d", "1.5h", "d"])
def test_a_span_of_time_without_a_known_unit_is_told(text: str) -> None:
    assert said_of(None, {"FRAUDSTREAM_WORKER_TOO_FAR_AHEAD": text}).startswith("FRAUDSTREAM_WORKER_TOO_FAR_AHEAD: ")


def test_the_shipped_rules_serve_where_there_are_none() -> None:
    settings = load_settings()
    assert settings.origins["rules.directory"] == "shipped"
    assert Path(settings.rules.directory).is_absolute()
    Path("rules").mkdir()
    assert load_settings().rules.directory == "rules"


def test_every_setting_says_what_it_means() -> None:
    for section, struct in SECTIONS.items():
        for name in struct.__struct_fields__:
            assert describe(f"{section}.{name}"), f"{section}.{name}"


def test_every_section_is_in_the_settings() -> None:
    assert set(Settings.__struct_fields__) == {*SECTIONS, "origins"}
