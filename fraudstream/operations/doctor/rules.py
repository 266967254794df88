"""The rules directory against the rules in force, and the identifier secret."""

from __future__ import annotations

from typing import Final

from fraudstream.controls.reader import Controls, read_controls
from fraudstream.controls.secret import read_secret
from fraudstream.engine.identifier_key import key_of
from fraudstream.operations.doctor.deployment import Deployment
from fraudstream.operations.doctor.finding import Finding
from fraudstream.stream.control_log import controls_topic

CHECK: Final = "rules"
SECRET: Final = "identifier secret"


async def rule_findings(deployment: Deployment) -> list[Finding]:
    """Raises `NoTopicError`, `StalledError`, aiokafka's errors."""
    controls = await read_controls(controls_topic(deployment.stages[-1]))
    return [_in_force(deployment, controls), await _secret(deployment)]


def _in_force(deployment: Deployment, controls: Controls) -> Finding:
    where, ours = str(deployment.rules_directory), deployment.rule_set.digest
    if controls.switch is not None:
        if controls.switch.rule_set == ours:
            return Finding(CHECK, "ok", where, f"its rule set {ours} is in force")
        what = f"its rule set is {ours}, in force is {controls.switch.rule_set}"
        return Finding(CHECK, "warning", where, what, "fraudstream rules diff active, then rules activate")
    if not controls.rule_sets:
        return Finding(CHECK, "ok", where, f"its rule set {ours} will be the first: no worker has run")
    if set(controls.rule_sets) == {ours}:
        return Finding(CHECK, "ok", where, f"workers began with its rule set {ours}")
    others = ", ".join(sorted(controls.rule_sets))
    what = f"its rule set is {ours}, controls holds {others}, and none was activated"
    return Finding(CHECK, "warning", where, what, "fraudstream rules activate, or name the directory of the workers")


async def _secret(deployment: Deployment) -> Finding:
    stage = deployment.stages[-1]
    kept = await read_secret(controls_topic(stage))
    given = stage.identifier_secret
    if given is not None:
        return Finding(SECRET, "ok", "settings", f"given, fingerprint {key_of(given).fingerprint}")
    if kept is not None:
        what = f"kept by '{stage.controls_topic}', fingerprint {key_of(kept).fingerprint}: who may read it has it"
        return Finding(SECRET, "ok", stage.controls_topic, what)
    what = "there is none: the first worker makes one, and whoever may read the topic has it"
    return Finding(
        SECRET, "ok", stage.controls_topic, what, "or give your own: docs/deployment.md, The identifier secret"
    )
