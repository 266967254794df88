"""What helm makes of the chart. Needs helm: `go install helm.sh/helm/v3/cmd/helm@latest`."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from fraudstream.cli.main import COMMANDS, parser
from fraudstream.cli.rule_files import load_rule_set
from fraudstream.cli.settings import load_settings
from tests.unit.deploy.manifests import Object, config_of, named, of_kind, read_directory, read_objects, workloads

ROOT = Path(__file__).parents[3]
KUBERNETES = ROOT / "deploy/kubernetes"

pytestmark = pytest.mark.skipif(shutil.which("helm") is None, reason="helm is not installed")

SEVERAL_PARTITIONS = ("worker.replicas=3", "worker.partitions=12", "settings.worker.standby=false")


def helm(*values: str, files: tuple[Path, ...] = ()) -> subprocess.CompletedProcess[str]:
    """`helm template` with these values."""
    sets = [argument for value in values for argument in ("--set", value)]
    given = [argument for file in files for argument in ("--values", str(file))]
    return subprocess.run(
        ["helm", "template", "fraudstream", "chart", "--kube-version", "1.30.0", *sets, *given],
        cwd=KUBERNETES,
        capture_output=True,
        text=True,
    )


def rendered(*values: str, files: tuple[Path, ...] = ()) -> list[Object]:
    """The objects of the chart with these values."""
    done = helm(*values, files=files)
    assert done.returncode == 0, done.stderr
    return read_objects(done.stdout)


def worker_environment(*values: str) -> dict[str, str]:
    [worker] = (each for each in workloads(rendered(*values)) if each.part == "worker")
    return worker.environment()


def test_the_plain_manifests_are_what_the_chart_makes(tmp_path: Path) -> None:
    subprocess.run([sys.executable, KUBERNETES / "render.py", tmp_path], check=True, capture_output=True)
    plain = KUBERNETES / "plain"
    assert {path.name for path in tmp_path.iterdir()} == {path.name for path in plain.iterdir()}
    for path in tmp_path.iterdir():
        assert path.read_text() == (plain / path.name).read_text(), f"{path.name}: run deploy/kubernetes/render.py"


def test_workers_of_several_partitions_are_static_members_by_their_ordinal() -> None:
    variable = "FRAUDSTREAM_WORKER_GROUP_INSTANCE_ID"
    [worker] = (each for each in workloads(rendered(*SEVERAL_PARTITIONS)) if each.part == "worker")
    [identity] = (each for each in worker.container["env"] if each["name"] == variable)
    assert identity["valueFrom"] == {"fieldRef": {"fieldPath": "metadata.name"}}  # fraudstream-worker-0, -1, …
    assert load_settings(environment=worker.environment()).worker.group_instance_id == "worker-0"
    assert variable not in worker_environment()
    assert variable in worker_environment("worker.staticMembership=true")
    assert variable not in worker_environment(*SEVERAL_PARTITIONS, "worker.staticMembership=false")


def test_a_worker_has_the_time_for_its_last_checkpoint_by_its_session_time_out() -> None:
    by_setting = {
        seconds: named(rendered(f"settings.worker.session_timeout_s={seconds}"), "StatefulSet", "fraudstream-worker")[
            "spec"
        ]["template"]["spec"]["terminationGracePeriodSeconds"]
        for seconds in (10, 45)
    }
    assert by_setting == {10: 15, 45: 33}


def test_rules_of_a_directory_reach_the_worker_as_they_are(tmp_path: Path) -> None:
    script = [sys.executable, str(KUBERNETES / "rules_values.py"), str(ROOT / "rules")]
    (values := tmp_path / "rules.yaml").write_text(
        subprocess.run(script, check=True, capture_output=True, text=True).stdout
    )
    objects = rendered(files=(values,))
    for workload in workloads(objects):
        directory = tmp_path / workload.part
        if workload.part == "cases":
            assert "FRAUDSTREAM_RULES_DIRECTORY" not in workload.environment()
            continue
        for path, text in config_of(objects, workload).items():
            (directory / path).parent.mkdir(parents=True, exist_ok=True)
            (directory / path).write_text(text)
        assert workload.environment()["FRAUDSTREAM_RULES_DIRECTORY"] == "/etc/fraudstream/rules"
        assert load_rule_set(directory / "rules").digest == load_rule_set(ROOT / "rules").digest


def test_workers_are_scaled_up_to_the_partitions() -> None:
    objects = rendered(*SEVERAL_PARTITIONS, "worker.autoscaling.enabled=true")
    scaled = named(objects, "ScaledObject", "fraudstream-worker")["spec"]
    assert (scaled["minReplicaCount"], scaled["maxReplicaCount"]) == (3, 12)
    worker = named(objects, scaled["scaleTargetRef"]["kind"], scaled["scaleTargetRef"]["name"])
    assert "replicas" not in worker["spec"]  # else each upgrade would undo what was scaled


def test_a_pod_is_replaced_when_its_settings_change() -> None:
    def checksums(*values: str) -> dict[str, str]:
        return {
            each.part: each.object["spec"]["template"]["metadata"]["annotations"]["checksum/config"]
            for each in workloads(rendered(*values))
        }

    before, after = checksums(), checksums("cases.settings.cases.group=other")
    assert {part for part in before if before[part] != after[part]} == {"cases"}


def test_secrets_are_files() -> None:
    [worker] = (each for each in workloads(rendered("worker.secretName=kafka-user")) if each.part == "worker")
    [volume] = (each for each in worker.pod["volumes"] if each["name"] == "secrets")
    assert volume["secret"]["secretName"] == "kafka-user"
    assert volume["secret"]["defaultMode"] == 0o440
    assert "secret" not in str(worker.container["env"]).lower()


def test_the_console_reads_the_store_that_the_history_writer_writes() -> None:
    objects = rendered("history.enabled=true")
    claims = {
        each.part: [
            volume["persistentVolumeClaim"]["claimName"]
            for volume in each.pod["volumes"]
            if "persistentVolumeClaim" in volume
        ]
        for each in workloads(objects)
    }
    [claim] = of_kind(objects, "PersistentVolumeClaim")
    assert claims["history"] == claims["console"] == [claim["metadata"]["name"]]
    writer = named(objects, "Deployment", "fraudstream-history")["spec"]
    assert (writer["replicas"], writer["strategy"]["type"]) == (1, "Recreate")


def test_workers_below_an_ordinal_keep_their_release() -> None:
    strategies = [
        named(rendered(f"worker.upgradeFromOrdinal={ordinal}"), "StatefulSet", "fraudstream-worker")["spec"][
            "updateStrategy"
        ]
        for ordinal in (0, 2)
    ]
    assert [each["rollingUpdate"]["partition"] for each in strategies] == [0, 2]


def test_a_backup_is_written_to_the_volume_that_is_named_or_to_its_own() -> None:
    for values, name in (((), "fraudstream-backup"), (("backup.volume.existingClaim=bucket",), "bucket")):
        objects = rendered("backup.enabled=true", "backup.keep=5", *values)
        [backup] = (each for each in workloads(objects) if each.part == "backup")
        claims = [each["persistentVolumeClaim"] for each in backup.pod["volumes"] if "persistentVolumeClaim" in each]
        assert claims == [{"claimName": name}]
        assert len(list(of_kind(objects, "PersistentVolumeClaim"))) == (name == "fraudstream-backup")
        assert backup.object["spec"]["concurrencyPolicy"] == "Forbid"
        arguments = backup.container["args"]
        assert arguments[2:7] == ["state", "backup", "/backup", "--keep", "5"]
        assert "/backup" in {mount["mountPath"] for mount in backup.container["volumeMounts"]}


def test_a_bridge_has_its_flags(tmp_path: Path) -> None:
    flags = ["--from", "bank.transfers", "--format", "pacs.008"]
    (values := tmp_path / "values.yaml").write_text(f"bridge: {{enabled: true, arguments: {json.dumps(flags)}}}")
    [bridge] = (each for each in workloads(rendered(files=(values,))) if each.part == "bridge")
    _, _, command, *rest = bridge.container["args"]
    args = parser(COMMANDS[command]).parse_args([command, *rest])
    assert (vars(args)["bridge.source_topic"], args.format) == ("bank.transfers", ["pacs.008"])
    metrics = load_settings(environment=bridge.environment()).metrics
    assert bridge.container["ports"] == [{"name": "metrics", "containerPort": metrics.bridge_port}]


def test_the_values_in_the_documentation_give_settings_that_the_program_takes(tmp_path: Path) -> None:
    text = (ROOT / "docs/kubernetes.md").read_text()
    [example] = re.findall(r"```yaml\n(# values.yaml\n.*?)```", text, re.DOTALL)
    (values := tmp_path / "values.yaml").write_text(example.replace("sha256:…", f"sha256:{'0' * 64}"))
    objects = rendered(files=(values,))
    for workload in workloads(objects):
        (file := tmp_path / "fraudstream.toml").write_text(config_of(objects, workload)["fraudstream.toml"])
        settings = load_settings(str(file), workload.environment())
        assert settings.kafka.security_protocol == "SASL_SSL"
        assert settings.kafka.sasl_username is not None
        [secret] = (each for each in workload.pod["volumes"] if each["name"] == "secrets")
        assert secret["secret"]["secretName"] == f"fraudstream-{workload.part}"


def test_a_release_of_another_name_has_objects_of_its_own() -> None:
    done = subprocess.run(
        ["helm", "template", "second", "chart", "--kube-version", "1.30.0"],
        cwd=KUBERNETES,
        capture_output=True,
        text=True,
    )
    names = {each["metadata"]["name"] for each in read_objects(done.stdout)}
    assert names
    assert all(name.startswith("second-fraudstream") for name in names)


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ("worker.replica=3", "additional properties 'replica' not allowed"),
        ("settings.kafka.sasl_password=hunter2", "invalid propertyName 'sasl_password'"),
        ("image.digest=sha256:12", "does not match pattern"),
        ("settings.worker.standby=false", "each partition has one worker"),
        (
            "settings.kafka.ssl_cafile=/run/secrets/fraudstream/ca.pem",
            "secretName is empty, but its settings name a file",
        ),
        ("worker.autoscaling.enabled=true", "worker.autoscaling has nothing to add"),
    ],
)
def test_values_that_cannot_work_are_refused(value: str, sentence: str) -> None:
    done = helm(value)
    assert done.returncode != 0
    assert sentence in done.stderr


def test_the_plain_manifests_are_read() -> None:
    """Guard: the directory that is compared is the one that is committed."""
    assert len(read_directory(KUBERNETES / "plain")) > 15


def test_only_what_records_spans_may_reach_their_collector() -> None:
    for values, reaching in (
        ((), set()),
        (("networkPolicy.telemetryEgress.ports={4318}",), {"worker", "cases", "gateway"}),
    ):
        policies = [each for each in rendered("gateway.enabled=true", *values) if each["kind"] == "NetworkPolicy"]
        found = {
            policy["metadata"]["name"].removeprefix("fraudstream-")
            for policy in policies
            for rule in policy["spec"]["egress"]
            if 4318 in [port["port"] for port in rule["ports"]]
        }
        assert found == reaching
