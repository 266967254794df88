"""`fraudstream config`: every setting in force and where it comes from, secrets masked."""

from __future__ import annotations

import argparse
import json
import re
from typing import TYPE_CHECKING

from fraudstream.cli.settings import SECTIONS, Settings, describe, is_secret

if TYPE_CHECKING:
    from fraudstream.cli.main import Subparsers

_PASSWORDS = re.compile(r"(://[^:@/]*:).*(?=@)|([?&]password=)[^&]*")  # to the last @: a password may contain one


def add_parser(subparsers: Subparsers) -> None:
    """Add `config`."""
    parser = subparsers.add_parser(
        "config",
        help="print every setting in force and where it comes from",
        description="Print every setting in force and where it comes from: default, file, environment or flag.",
        epilog="example:\n  fraudstream config --config fraudstream.toml --json",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--json", action="store_true", help="print JSON: {setting: {value, from, meaning}}")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Print the settings, secrets masked."""
    rows = settings_in_force(settings)
    if args.json:
        print(
            json.dumps(
                {name: {"value": value, "from": origin, "meaning": describe(name)} for name, value, origin in rows}
            )
        )
        return 0
    name_width = max(len(name) for name, _, _ in rows)
    value_width = max(len(_text(value)) for _, value, _ in rows)
    for name, value, origin in rows:
        print(f"{name:<{name_width}}  {_text(value):<{value_width}}  {origin}")
    return 0


def settings_in_force(settings: Settings) -> list[tuple[str, object, str]]:
    """Each setting as (section.name, value with passwords masked, origin), in the order of the sections."""
    rows = []
    for section, struct in SECTIONS.items():
        for name in struct.__struct_fields__:
            setting, value = f"{section}.{name}", getattr(getattr(settings, section), name)
            shown = "***" if value is not None and is_secret(setting) else _masked(value)
            rows.append((setting, shown, settings.origins.get(setting, "default")))
    return rows


def _masked(value: object) -> object:
    return _PASSWORDS.sub(r"\1\2***", value) if isinstance(value, str) else value


def _text(value: object) -> str:
    return "-" if value is None else json.dumps(value) if not isinstance(value, str) else value
