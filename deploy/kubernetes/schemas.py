"""Write Kubernetes' schemas for kubeconform: `schemas.py DIRECTORY`, one folder for each version.

kubeconform looks for schemas on the network. The package `kubernetes-validate` has them, each with references to one
file of definitions that kubeconform does not resolve: here each schema gets the definitions that it needs. Needs
Python 3.11+ and that package.
"""

from __future__ import annotations

import json
import re
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

REFERENCE = re.compile(r'"#/\$defs/([^"]+)"')


def versions() -> dict[str, Path]:
    """The folder of each version that the package has, by its name: 1.30.0. Raises `LookupError` without it."""
    found = find_spec("kubernetes_validate")
    if found is None or found.origin is None:
        raise LookupError("kubernetes-validate is not installed: make check-deploy installs it.")
    folders = Path(found.origin).parent.glob("kubernetes-json-schema/v*-local-strict")
    return {folder.name.removeprefix("v").removesuffix("-local-strict"): folder for folder in folders}


def write(folder: Path, to: Path) -> None:
    """Write the schema of each kind of object."""
    to.mkdir(parents=True, exist_ok=True)
    definitions = _read(folder / "_definitions.json")["$defs"]
    for path in folder.glob("[a-z]*.json"):
        schema = _read(path)
        if "kind" in schema.get("properties", {}):
            schema["$defs"] = _needed(schema, definitions)
            (to / path.name).write_text(json.dumps(schema), encoding="utf-8")


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8").replace('"/api/_definitions.json#', '"#'))


def _needed(schema: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    needed: dict[str, Any] = {}
    unread = [schema]
    while unread:
        for name in set(REFERENCE.findall(json.dumps(unread.pop()))) - needed.keys():
            needed[name] = definitions[name]
            unread.append(definitions[name])
    return needed


def main(directory: Path) -> None:
    """Write the oldest version that the chart installs on, and the newest; print them."""
    known = versions()
    newest = max(known, key=lambda version: [int(part) for part in version.split(".")])
    for version in sorted({"1.30.0", newest}):
        write(known[version], directory / f"v{version}")
        print(version)


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]))
    except LookupError as error:
        sys.exit(str(error))
