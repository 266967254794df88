"""The settings: a TOML file, environment variables over it, flags over both; each with where it came from.

    [worker]                                   # fraudstream.toml
    checkpoint_interval_s = 2.0
    FRAUDSTREAM_WORKER_CHECKPOINT_INTERVAL_S=2.0
    fraudstream worker --set worker.checkpoint_interval_s=2.0

Each section is a frozen struct; a field's description is its documentation, in `fraudstream config` as in a command's
`--help`. An unknown key is an error that names the file, the key and the nearest known one: a misspelt setting is never
silently ignored.
"""

from __future__ import annotations

import argparse
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, get_type_hints

import msgspec
from msgspec import Meta

from fraudstream.cli.failure import Failure
from fraudstream.cli.kafka_settings import KafkaSettings
from fraudstream.cli.shipped import shipped
from fraudstream.contracts.duration import parse_duration
from fraudstream.contracts.nearest_name import nearest_or_all

FILE_DEFAULT = "fraudstream.toml"
ALL_STAGES = "all"
ENVIRONMENT_PREFIX = "FRAUDSTREAM_"


class RedisSettings(msgspec.Struct, frozen=True):
    """[redis]"""

    url: Annotated[str, Meta(min_length=1, description="Redis that holds the analysts' view of cases")] = (
        "redis://127.0.0.1:6379/0"
    )


class WorkerSettings(msgspec.Struct, frozen=True):
    """[worker]"""

    group: Annotated[
        str,
        Meta(
            pattern="^[A-Za-z0-9._-]{1,100}$",
            description="consumer group, and first part of the changelog topic's name",
        ),
    ] = "fraudstream"
    processes: Annotated[
        Annotated[int, Meta(ge=1, le=64)] | None,
        Meta(description="worker processes under a supervisor that restarts them; by default one, unsupervised"),
    ] = None
    stage: Annotated[
        str,
        Meta(pattern="^[a-z][a-z0-9_]{0,63}$", description="the entity whose state this worker keeps, or all"),
    ] = ALL_STAGES
    state_version: Annotated[
        int,
        Meta(ge=1, le=1_000_000, description="version of the state: raise it to backfill a new one beside that in use"),
    ] = 1
    backfill: Annotated[
        bool, Meta(description="backfill a new state version from the log, and decide once it is activated")
    ] = False
    decisions: Annotated[bool, Meta(description="publish a decision for every payment")] = True
    batch_records_max: Annotated[int, Meta(ge=1, le=100_000, description="most records handled at once")] = 5000
    fetch_wait_ms: Annotated[
        Annotated[int, Meta(ge=1, le=60_000)] | None,
        Meta(description="longest wait of a fetch; by default 500, and 5 in checkpoint mode batch"),
    ] = None
    group_instance_id: Annotated[
        Annotated[str, Meta(pattern="^[A-Za-z0-9._-]{1,200}$")] | None,
        Meta(description="unique name of this worker, the same after a restart, so that a restart moves no partitions"),
    ] = None
    session_timeout_s: Annotated[
        float, Meta(ge=1, le=300, description="a worker that sends no heartbeat for so long loses its partitions")
    ] = 10.0
    checkpoint_interval_s: Annotated[float, Meta(gt=0, le=3600, description="time between checkpoints")] = 5.0
    checkpoint_bytes_max: Annotated[
        int, Meta(ge=65_536, description="a checkpoint is taken at once when so many bytes of state have changed")
    ] = 64 * 1024 * 1024
    checkpoint_mode: Annotated[
        Literal["transaction", "batch"],
        Meta(description="transaction: Apache Kafka; batch: a broker without transactions (embedded), one writer"),
    ] = "transaction"
    too_far_ahead: Annotated[
        str,
        Meta(
            pattern="^[1-9][0-9]{0,8}(s|m|h|d)$",
            description="a payment further ahead of its publication is a dead letter: 90s, 15m, 6h, 1d",
        ),
    ] = "1d"

    @property
    def too_far_ahead_ms(self) -> int:
        """The same in milliseconds."""
        return parse_duration(self.too_far_ahead)


class CasesSettings(msgspec.Struct, frozen=True):
    """[cases]"""

    group: Annotated[
        str,
        Meta(
            pattern="^[A-Za-z0-9._-]{1,100}$", description="consumer group of the agent that groups alerts into cases"
        ),
    ] = "fraudstream-cases"


class MetricsSettings(msgspec.Struct, frozen=True):
    """[metrics]"""

    host: Annotated[
        str, Meta(min_length=1, description="address that Prometheus scrapes; by default loopback only")
    ] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65_535, description="port of the metrics; 0: any free one")] = 9464


class RulesSettings(msgspec.Struct, frozen=True):
    """[rules]"""

    directory: Annotated[
        str, Meta(min_length=1, description="directory of features.yaml, score.yaml and the rules")
    ] = "rules"


TopicName = Annotated[str, Meta(pattern="^[A-Za-z0-9._-]{1,249}$")]


class TopicsSettings(msgspec.Struct, frozen=True):
    """[topics]"""

    payments: Annotated[TopicName, Meta(description="input, the log: payments and labels, keyed by account_id")] = (
        "payments"
    )
    labels: Annotated[TopicName, Meta(description="input: labels of publishers that cannot write to the log")] = (
        "labels"
    )
    decisions: Annotated[TopicName, Meta(description="output: a decision for every payment")] = "decisions"
    alerts: Annotated[TopicName, Meta(description="output: verdicts worth a person's time")] = "alerts"
    cases: Annotated[TopicName, Meta(description="output: cases; the newest record of each is the whole case")] = (
        "cases"
    )
    case_actions: Annotated[TopicName, Meta(description="input: actions of analysts on cases")] = "case-actions"
    dead_letters: Annotated[TopicName, Meta(description="output: records that could not be decided")] = "dead-letters"
    controls: Annotated[TopicName, Meta(description="rule sets, and entries of lists")] = "controls"
    partitions: Annotated[
        Annotated[int, Meta(ge=1, le=10_000)] | None,
        Meta(description="partitions of the topics keyed by account, in place of topics.yaml's"),
    ] = None
    replication: Annotated[
        Annotated[int, Meta(ge=1, le=10)] | None,
        Meta(description="replicas of each topic, in place of topics.yaml's; 1 on a single broker"),
    ] = None


class Settings(msgspec.Struct, frozen=True):
    """All settings in force. `origins`: where each `section.name` came from ('default', file, variable, flag)."""

    kafka: KafkaSettings = KafkaSettings()
    redis: RedisSettings = RedisSettings()
    worker: WorkerSettings = WorkerSettings()
    cases: CasesSettings = CasesSettings()
    metrics: MetricsSettings = MetricsSettings()
    rules: RulesSettings = RulesSettings()
    topics: TopicsSettings = TopicsSettings()
    origins: dict[str, str] = {}


SECTIONS: Mapping[str, type[msgspec.Struct]] = {
    "kafka": KafkaSettings,
    "redis": RedisSettings,
    "worker": WorkerSettings,
    "cases": CasesSettings,
    "metrics": MetricsSettings,
    "rules": RulesSettings,
    "topics": TopicsSettings,
}


class Override(NamedTuple):
    """A value given by a flag: for `section.name`, as text or already of its type, and the flag it came by."""

    setting: str
    value: object
    flag: str


def add_setting(parser: argparse.ArgumentParser, setting: str, flag: str | None = None) -> None:
    """Give `parser` a flag of its own for `section.name`: `--name`, unless `flag` says otherwise.

    `main` lays its value over the settings: read it there, not from `args`.
    """
    section, _, name = setting.partition(".")
    flag = flag or f"--{name.replace('_', '-')}"
    help_text = f"{_description(section, name)} (setting {setting})".replace("%", "%%")
    if _type(section, name) is bool:
        parser.add_argument(flag, dest=setting, action=argparse.BooleanOptionalAction, default=None, help=help_text)
    else:
        parser.add_argument(flag, dest=setting, default=None, metavar=name.rsplit("_", 1)[-1].upper(), help=help_text)


def overrides_of(assignments: Sequence[str], args: argparse.Namespace) -> list[Override]:
    """What flags set: each `--set SECTION.NAME=VALUE`, then the flags made by `add_setting`."""
    overrides = []
    for assignment in assignments:
        setting, equals, value = assignment.partition("=")
        if not equals or setting.count(".") != 1:
            raise Failure(f"--set {assignment}: expected SECTION.NAME=VALUE, as in --set worker.decisions=false.")
        overrides.append(Override(setting, value, "--set"))
    overrides += [
        Override(dest, value, "flag") for dest, value in vars(args).items() if "." in dest and value is not None
    ]
    return overrides


def load_settings(
    file: str | None = None, environment: Mapping[str, str] | None = None, overrides: Sequence[Override] = ()
) -> Settings:
    """The settings in force: defaults, then `file` (or ./fraudstream.toml if there), then the environment, then flags.

    Raises `Failure`, which says where, for an unreadable file, an unknown key, a value of the wrong type or range.
    """
    values: dict[str, dict[str, object]] = {section: {} for section in SECTIONS}
    origins = {
        f"{section}.{name}": "default" for section, struct in SECTIONS.items() for name in struct.__struct_fields__
    }

    def put(section: str, name: str, value: object, origin: str, strict: bool) -> None:
        values[section][name] = _converted(section, name, value, origin, strict)
        origins[f"{section}.{name}"] = origin

    if not Path(RulesSettings().directory).is_dir():  # no rules directory here: the rules that ship with the program
        put("rules", "directory", str(shipped("rules")), "shipped", strict=True)
    for section, name, value, origin in _from_file(file):
        put(section, name, value, origin, strict=True)
    for section, name, value, origin in _from_environment(environment or {}):
        put(section, name, value, origin, strict=False)
    for override in overrides:
        section, _, name = override.setting.partition(".")
        _known(section, name, override.flag)
        put(section, name, override.value, override.flag, strict=False)

    sections: dict[str, Any] = {section: struct(**values[section]) for section, struct in SECTIONS.items()}
    return Settings(**sections, origins=origins)


def _from_file(file: str | None) -> list[tuple[str, str, object, str]]:
    path = Path(file or FILE_DEFAULT)
    if file is None and not path.exists():
        return []
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise Failure(f"{path}: cannot read the settings: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Failure(f"{path}: not a TOML file: {error}.") from error
    found = []
    for section, table in document.items():
        if section not in SECTIONS:
            raise Failure(f"{path}: unknown section [{section}]. {nearest_or_all(section, SECTIONS)}")
        if not isinstance(table, dict):
            raise Failure(f"{path}: '{section}' must be a section: [{section}].")
        for name, value in table.items():
            _known(section, name, str(path))
            found.append((section, name, value, str(path)))
    return found


# Kubernetes sets variables such as FRAUDSTREAM_REDIS_PORT_6379_TCP for every service in the namespace: not ours.
_SERVICE_LINK = re.compile(r"(^|_)(SERVICE_(HOST|PORT)(_.*)?|PORT(_\d+_(TCP|UDP)(_.*)?)?)$")
_TESTS_ONLY = ENVIRONMENT_PREFIX + "TEST_"


def _from_environment(environment: Mapping[str, str]) -> list[tuple[str, str, object, str]]:
    settings = {
        f"{ENVIRONMENT_PREFIX}{section}_{name}".upper(): (section, name)
        for section, struct in SECTIONS.items()
        for name in struct.__struct_fields__
    }
    found: list[tuple[str, str, object, str]] = []
    for variable, value in sorted(environment.items()):
        if variable in settings:
            found.append((*settings[variable], value, variable))
        elif (
            variable.startswith(ENVIRONMENT_PREFIX)
            and not variable.startswith(_TESTS_ONLY)
            and not _SERVICE_LINK.search(variable)
        ):
            raise Failure(f"environment: unknown variable {variable}. {nearest_or_all(variable, settings)}")
    return found


def _known(section: str, name: str, origin: str) -> None:
    if section not in SECTIONS:
        raise Failure(f"{origin}: unknown section [{section}]. {nearest_or_all(section, SECTIONS)}")
    if name not in SECTIONS[section].__struct_fields__:
        raise Failure(
            f"{origin}: unknown setting '{name}' in [{section}]. "
            f"{nearest_or_all(name, SECTIONS[section].__struct_fields__)}"
        )


def _converted(section: str, name: str, value: object, origin: str, strict: bool) -> object:
    try:
        return msgspec.convert(value, _hints(section)[name], strict=strict)
    except msgspec.ValidationError as error:
        shown = "***" if is_secret(f"{section}.{name}") else repr(value)
        raise Failure(f"{origin}: {section}.{name} = {shown}: {error}.") from error


def _hints(section: str) -> dict[str, Any]:
    return get_type_hints(SECTIONS[section], include_extras=True)


def _type(section: str, name: str) -> Any:
    return get_type_hints(SECTIONS[section])[name]


def _description(section: str, name: str) -> str:
    metadata = _hints(section)[name].__metadata__
    return next(str(meta.description) for meta in reversed(metadata) if meta.description)


def is_secret(setting: str) -> bool:
    """Whether the value may not be shown."""
    section, _, name = setting.partition(".")
    return any((meta.extra or {}).get("secret", False) for meta in _hints(section)[name].__metadata__)


def describe(setting: str) -> str:
    """What a setting means, in a few words."""
    section, _, name = setting.partition(".")
    return _description(section, name)
