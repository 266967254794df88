"""Containers run as a user that is not root, by its number, on a read-only file system."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec

from fraudstream.cli.settings import load_settings

ROOT = Path(__file__).parents[3]


def read_yaml(path: str) -> Any:
    return msgspec.yaml.decode((ROOT / path).read_bytes())


def test_the_image_names_its_user_by_a_number() -> None:
    users = re.findall(r"^USER (.+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert users == ["10001:0"]


def test_the_deployment_runs_as_no_root_on_a_read_only_file_system() -> None:
    pod = read_yaml("deploy/kubernetes/worker.yaml")["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    [container] = pod["containers"]
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert container["securityContext"]["allowPrivilegeEscalation"] is False


def test_what_a_container_writes_to_is_a_volume() -> None:
    [cache] = re.findall(r"NUMBA_CACHE_DIR=(\S+)", (ROOT / "Dockerfile").read_text())
    pod = read_yaml("deploy/kubernetes/worker.yaml")["spec"]["template"]["spec"]
    assert cache in [mount["mountPath"] for mount in pod["containers"][0]["volumeMounts"]]
    services = read_yaml("docker-compose.yml")["services"]
    assert f"kernel:{cache}" in services["worker"]["volumes"]
    assert all(services[name]["read_only"] for name in ("topics", "worker", "cases"))


def test_every_variable_of_the_deployment_is_a_setting() -> None:
    text = (ROOT / "deploy/kubernetes/worker.yaml").read_text()
    variables = dict(re.findall(r"\{name: (FRAUDSTREAM_\w+), value: ([^}]+)\}", text))
    assert len(variables) == 2
    load_settings(environment=variables)
