"""The pods of the plain manifests run under their limits: user id, read-only root, no rights, memory, process 1."""

from __future__ import annotations

import os
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fraudstream.compiled import jit
from fraudstream.compiled.cache import jit_cache
from fraudstream.embedded import embedded_broker, embedded_redis
from fraudstream.gateway.access.clients import key_digest, new_key
from tests.integration.deploy.pod import PYTHON, ROOT, Pod, why_not
from tests.integration.own_kafka import free_ports
from tests.unit.deploy.manifests import read_directory, workloads

OBJECTS = read_directory(ROOT / "deploy/kubernetes/plain")
BY_PART = {each.part: each for each in workloads(OBJECTS)}
READY_S_MAX = 240.0

reason = why_not()
pytestmark = pytest.mark.skipif(reason is not None, reason=f"runs pods without Kubernetes: {reason}")


@contextmanager
def running(part: str, directory: Path, environment: dict[str, str], secrets: dict[str, str]) -> Iterator[Pod]:
    """A pod, removed at the end. It finds the compiled code of this process, as that of the image."""
    here = jit_cache(os.environ).directory
    compiled = here / jit._ENTRY if here is not None and (here / jit._ENTRY).exists() else None
    pod = Pod(
        OBJECTS, BY_PART[part], directory, {"PYTHONPATH": str(ROOT), **environment}, secrets=secrets, compiled=compiled
    )
    try:
        yield pod
    finally:
        pod.remove()


def clients_file() -> str:
    """What `gateway.clients_file` holds: one client."""
    digest = key_digest(new_key())
    key = f"{{sha256: {digest}, expires_at: 2099-01-01T00:00:00Z}}"
    return f"clients:\n  - {{name: checkout, scopes: [decide], api_keys: [{key}]}}\n"


def wait_until_ready(pod: Pod, port: int) -> None:
    """Until the readiness probe of the manifest succeeds."""
    deadline = time.monotonic() + READY_S_MAX
    while time.monotonic() < deadline:
        assert pod.running(), pod.output()
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.5)
    pytest.fail(f"not ready after {READY_S_MAX:.0f} s:\n{pod.output()}")


def test_pods_start_get_ready_and_stop_in_their_time(tmp_path: Path) -> None:
    with embedded_broker() as broker, embedded_redis() as redis:
        environment = {
            "FRAUDSTREAM_KAFKA_BOOTSTRAP_SERVERS": broker,
            "FRAUDSTREAM_REDIS_URL": redis,
            "FRAUDSTREAM_WORKER_CHECKPOINT_MODE": "batch",
            "FRAUDSTREAM_TOPICS_REPLICATION": "1",
            "FRAUDSTREAM_GATEWAY_PORT": "0",
        }
        with running("topics", tmp_path, environment, {}) as topics:
            assert topics.wait(READY_S_MAX) == 0, topics.output()
        for part, setting in (
            ("worker", "FRAUDSTREAM_METRICS_PORT"),
            ("cases", "FRAUDSTREAM_METRICS_CASES_PORT"),
            ("console", "FRAUDSTREAM_CONSOLE_PORT"),
            ("gateway", "FRAUDSTREAM_METRICS_GATEWAY_PORT"),
        ):
            secrets = {"clients.yaml": clients_file()} if part == "gateway" else {}
            port = free_ports(1)
            with running(part, tmp_path, {**environment, setting: str(port)}, secrets) as pod:
                wait_until_ready(pod, port)
                assert pod.stop(BY_PART[part].pod["terminationGracePeriodSeconds"]) == 0, pod.output()
                assert "Traceback" not in pod.output()
                print(f"{part}: at most {pod.peak_bytes() >> 20} MiB")


def test_a_pod_may_write_to_its_volumes_alone(tmp_path: Path) -> None:
    tried = ("/opt/x", "/etc/x", "/etc/fraudstream/x", f"{ROOT}/x", "/tmp/x", "/var/cache/fraudstream/x")
    attempt = (
        "import os\n"
        "print(os.getuid(), os.getpid())\n"
        f"for path in {tried}:\n"
        "    try:\n"
        "        open(path, 'w')\n"
        "        print('written', path)\n"
        "    except OSError as error:\n"
        "        print(error.strerror, path)\n"
    )
    worker = BY_PART["worker"]
    pod = Pod(OBJECTS, worker, tmp_path, {}, entry_point=(PYTHON, "-c", attempt))
    try:
        assert pod.wait(60) == 0, pod.output()
        lines = pod.output().splitlines()
        assert lines[0] == "10001 1"
        assert [line.split()[-1] for line in lines[1:] if line.startswith("written")] == [
            "/tmp/x",
            "/var/cache/fraudstream/x",
        ]
    finally:
        pod.remove()


def test_a_pod_that_takes_more_memory_than_its_limit_is_killed(tmp_path: Path) -> None:
    pod = Pod(OBJECTS, BY_PART["topics"], tmp_path, {}, entry_point=(PYTHON, "-c", "bytearray(1 << 29)[::4096]"))
    try:
        assert pod.wait(60) != 0
    finally:
        pod.remove()
