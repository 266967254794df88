"""The settings: a TOML file, environment variables over it, flags over both; each with its origin.

    [worker]                                   # fraudstream.toml
    checkpoint_interval_s = 2.0
    FRAUDSTREAM_WORKER_CHECKPOINT_INTERVAL_S=2.0
    fraudstream worker --set worker.checkpoint_interval_s=2.0

Each section is a frozen struct (`setting_sections`); a field's description is its documentation, in `fraudstream
config` and in a command's `--help`. An unknown key is an error that names the file, the key and the nearest known one:
a misspelt setting is never silently ignored.
"""

from __future__ import annotations

import argparse
import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, get_type_hints

import msgspec

from fraudstream.cli.failure import Failure
from fraudstream.cli.setting_sections import SECTIONS, RulesSettings, Settings
from fraudstream.cli.shipped import shipped
from fraudstream.cli.topic_settings import TopicsSettings
from fraudstream.cli.worker_settings import ALL_STAGES
from fraudstream.contracts.error_text import system_error_text
from fraudstream.contracts.nearest_name import nearest_or_all

__all__ = [
    "ALL_STAGES",
    "ENVIRONMENT_PREFIX",
    "SECTIONS",
    "Override",
    "Settings",
    "TopicsSettings",
    "add_setting",
    "describe",
    "is_secret",
    "load_settings",
    "overrides_of",
]

_METAVARS = {"DIRECTORY": "DIR"}
FILE_DEFAULT = "fraudstream.toml"
ENVIRONMENT_PREFIX = "FRAUDSTREAM_"


class Override(NamedTuple):
    """A value given by a flag: for `section.name`, as text or already of its type, and the flag it came by."""

    setting: str
    value: object
    flag: str


def add_setting(parser: argparse.ArgumentParser, setting: str, flag: str | None = None) -> None:
    """Give `parser` a flag of its own for `section.name`: `--name`, unless `flag` says otherwise.

    `main` applies its value to the settings: read it there, not from `args`.
    """
    section, _, name = setting.partition(".")
    flag = flag or f"--{name.replace('_', '-')}"
    help_text = f"{_description(section, name)} (setting {setting})".replace("%", "%%")
    if _type(section, name) is bool:
        parser.add_argument(flag, dest=setting, action=argparse.BooleanOptionalAction, default=None, help=help_text)
    else:
        word = name.rsplit("_", 1)[-1].upper()
        parser.add_argument(flag, dest=setting, default=None, metavar=_METAVARS.get(word, word), help=help_text)


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

    if not os.path.isdir(RulesSettings().directory):  # no rules directory here: the rules that ship with the program
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
    if file is None and not os.path.exists(path):  # nor in a working directory that this user may not search
        return []
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise Failure(f"{path}: cannot read the settings: {system_error_text(error)}.") from error
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
    """Whether the value is a secret, which is not shown."""
    section, _, name = setting.partition(".")
    return any((meta.extra or {}).get("secret", False) for meta in _hints(section)[name].__metadata__)


def describe(setting: str) -> str:
    """What a setting means, in a few words."""
    section, _, name = setting.partition(".")
    return _description(section, name)
