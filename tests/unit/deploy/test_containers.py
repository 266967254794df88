"""Containers run as a user that is not root, by its number, on a read-only file system."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec

ROOT = Path(__file__).parents[3]


def read_yaml(path: str) -> Any:
    return msgspec.yaml.decode((ROOT / path).read_bytes())


def test_the_image_names_its_user_by_a_number() -> None:
    users = re.findall(r"^USER (.+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert users == ["10001:0"]


def test_what_a_container_writes_to_is_a_volume() -> None:
    [cache] = re.findall(r"NUMBA_CACHE_DIR=(/\S+)", (ROOT / "Dockerfile").read_text())
    services = read_yaml("docker-compose.yml")["services"]
    assert f"kernel:{cache}" in services["worker"]["volumes"]
    assert all(service["read_only"] for service in services.values() if service["image"] == "fraudstream")
