"""Kubernetes objects as tests read them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

Object = dict[str, Any]


class Workload(NamedTuple):
    """A StatefulSet, Deployment, Job or CronJob: `part` is its component."""

    part: str
    object: Object

    @property
    def template(self) -> Object:
        """The template of its pods."""
        spec = self.object["spec"]
        template: Object = (spec["jobTemplate"]["spec"] if "jobTemplate" in spec else spec)["template"]
        return template

    @property
    def pod(self) -> Object:
        """The spec of its pods."""
        spec: Object = self.template["spec"]
        return spec

    @property
    def container(self) -> Object:
        """Its only container."""
        [container] = self.pod["containers"]
        found: Object = container
        return found

    @property
    def labels(self) -> dict[str, str]:
        """Of its pods."""
        labels: dict[str, str] = self.template["metadata"]["labels"]
        return labels

    def environment(self) -> dict[str, str]:
        """Of the container; what Kubernetes fills in is the pod's name."""
        return {each["name"]: each.get("value", f"{self.part}-0") for each in self.container["env"]}


def read_objects(text: str) -> list[Object]:
    """The objects of a YAML text."""
    return [document for document in yaml.safe_load_all(text) if document]


def read_directory(directory: Path) -> list[Object]:
    """The objects of all files."""
    return [each for path in sorted(directory.glob("*.yaml")) for each in read_objects(path.read_text())]


def of_kind(objects: Sequence[Object], *kinds: str) -> Iterator[Object]:
    """The objects of these kinds."""
    return (each for each in objects if each["kind"] in kinds)


def named(objects: Sequence[Object], kind: str, name: str) -> Object:
    """The object of that kind and name."""
    [found] = (each for each in of_kind(objects, kind) if each["metadata"]["name"] == name)
    return found


def workloads(objects: Sequence[Object]) -> list[Workload]:
    """All of them."""
    found = of_kind(objects, "StatefulSet", "Deployment", "Job", "CronJob")
    return [Workload(each["metadata"]["labels"]["app.kubernetes.io/component"], each) for each in found]


def config_of(objects: Sequence[Object], workload: Workload) -> dict[str, str]:
    """The text of each file below /etc/fraudstream."""
    [volume] = (each for each in workload.pod["volumes"] if each["name"] == "settings")
    data = named(objects, "ConfigMap", volume["configMap"]["name"])["data"]
    return {item["path"]: data[item["key"]] for item in volume["configMap"]["items"]}
