"""What can be known of docker-compose.yml and Dockerfile without Docker: that they fit program and repository."""

import re
import tomllib
from pathlib import Path
from typing import Any

import yaml

from fraudstream.cli.main import COMMANDS
from fraudstream.cli.settings import load_settings
from fraudstream.gateway.access.clients import read_clients

ROOT = Path(__file__).parents[3]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"] == "fraudstream"}


def test_every_published_port_is_on_loopback() -> None:
    for name, service in SERVICES.items():
        for port in service.get("ports", ()):
            assert port.startswith("127.0.0.1:"), f"{name}: {port}"


def test_every_image_has_a_fixed_tag() -> None:
    for name, service in SERVICES.items():
        assert name in OURS or re.fullmatch(r"[a-z/]+:v?\d+\.\d+[\w.-]*", service["image"]), (
            f"{name}: {service['image']}"
        )


def test_every_service_of_ours_runs_a_command_that_exists_with_settings_that_exist() -> None:
    assert set(OURS) == {"topics", "worker", "cases", "console", "gateway", "history", "webhooks"}
    for service in OURS.values():
        assert service["command"][0] in COMMANDS
        settings = load_settings(environment=service["environment"])
        assert settings.kafka.bootstrap_servers == "kafka:19092"
        assert settings.metrics.host == "0.0.0.0"
        settings.gateway.check()
        settings.console.server_settings()


def test_prometheus_scrapes_the_port_that_the_settings_name() -> None:
    scraped = yaml.safe_load((ROOT / "deploy" / "prometheus" / "prometheus.yml").read_text())["scrape_configs"]
    metrics = load_settings(environment={}).metrics
    ports = {
        "worker": metrics.port,
        "cases": metrics.cases_port,
        "webhooks": metrics.webhooks_port,
        "gateway": metrics.gateway_port,
        "history": metrics.history_port,
        "bridge": metrics.bridge_port,
        "backup": metrics.backup_port,
    }
    discoveries = [discovery for job in scraped for discovery in job["dns_sd_configs"]]
    assert {name: discovery["port"] for discovery in discoveries for name in discovery["names"]} == ports
    for service in ports.keys() & OURS.keys():  # compose starts no bridge and no backups
        assert OURS[service]["healthcheck"]["test"][-1] == str(ports[service])
    assert f"EXPOSE {' '.join(map(str, sorted(ports.values())))} " in (ROOT / "Dockerfile").read_text()


def test_the_clients_of_the_gateway_are_read() -> None:
    read_clients((ROOT / "deploy/compose/clients.yaml").read_text(), "clients.yaml")


def test_a_worker_and_a_case_agent_share_a_host_with_the_default_ports() -> None:
    metrics = load_settings(environment={}).metrics
    of_processes = range(metrics.port, metrics.port + 64)  # `worker --processes` counts upwards
    assert metrics.cases_port not in of_processes


def test_every_mounted_directory_and_volume_exists() -> None:
    for name, service in SERVICES.items():
        for mount in service.get("volumes", ()):
            source = mount.split(":")[0]
            assert source in COMPOSE["volumes"] or (ROOT / source).is_dir(), f"{name}: {source}"


def test_the_image_gets_everything_the_wheel_is_built_from() -> None:
    sent = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert {*wheel["packages"], *wheel["force-include"], project["project"]["readme"], "pyproject.toml"} <= sent
    copied = re.findall(r"[\w-]+\.lock", (ROOT / "Dockerfile").read_text())
    assert copied
    assert set(copied) <= sent
