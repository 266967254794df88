"""Print the rules of a directory as values of the chart: `rules_values.py rules > rules.values.yaml`.

Test cases stay out: workers do not read them. Needs Python 3.11+ and PyYAML.
"""

from __future__ import annotations

import sys
from pathlib import Path

import yaml

CONFIG_MAP_BYTES_MAX = 1_000_000  # of 1 MiB, the settings take the rest


def rules_values(directory: Path) -> str:
    """The YAML text. Raises `ValueError` where the directory holds no rules, or more than a ConfigMap takes."""
    paths = sorted(path for path in directory.rglob("*.yaml") if not path.name.endswith(".test.yaml"))
    rules = {path.relative_to(directory).as_posix(): path.read_text(encoding="utf-8") for path in paths}
    if "features.yaml" not in rules:
        raise ValueError(f"{directory} has no features.yaml: name a directory of rules.")
    size = sum(len(text.encode()) for text in rules.values())
    if size > CONFIG_MAP_BYTES_MAX:
        raise ValueError(f"{directory} has {size} bytes; a ConfigMap takes 1 MiB. Build an image with these rules.")
    return yaml.safe_dump({"rules": rules}, allow_unicode=True, sort_keys=True)


if __name__ == "__main__":
    try:
        print(rules_values(Path(sys.argv[1])), end="")
    except ValueError as error:
        sys.exit(str(error))
