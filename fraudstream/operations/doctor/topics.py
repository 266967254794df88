"""Topics against the topics file, and their retention against the windows of the features and the delays of labels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from fraudstream.contracts.duration import UNITS_MS
from fraudstream.engine.catalogue import Catalogue
from fraudstream.engine.label_plan import label_retention_ms
from fraudstream.operations.apply_topics import Difference, FoundTopic, topic_differences
from fraudstream.operations.doctor.deployment import Deployment
from fraudstream.operations.doctor.finding import Finding, Severity

DAY_MS: Final = UNITS_MS["d"]
OUTAGE_MS: Final = 3 * DAY_MS  # a weekend in which nobody starts the workers again
CHECK: Final = "topics"
RETENTION: Final = "retention"

# With another number of partitions the accounts of these are apart from their state, or alerts from their cases.
_CO_PARTITIONED = ("payments", "alerts", "cases", "case-actions")


def topic_findings(deployment: Deployment, found: Mapping[str, FoundTopic]) -> list[Finding]:
    """What differs from the topics file, lacks replicas, or expires too early. `found`: the topics by name."""
    findings = [_difference(deployment, difference) for difference in topic_differences(deployment.topics, found)]
    findings += _replicas(found)
    findings += _changelogs(deployment, found)
    findings += retention_findings(deployment, found)
    if not any(finding.check == CHECK for finding in findings):
        findings.append(Finding(CHECK, "ok", "cluster", f"{len(found)} topics match the topics file and the settings"))
    return findings


def _difference(deployment: Deployment, found: Difference) -> Finding:
    if found.setting == "topic":
        return Finding(CHECK, "error", found.topic, "does not exist", f"create it: {found.note}")
    what = f"{found.setting} is {found.found if found.found is not None else 'not set'}, wanted {found.wanted}"
    return Finding(CHECK, _severity(deployment, found), found.topic, what, found.note)


def _severity(deployment: Deployment, found: Difference) -> Severity:
    if found.setting == "cleanup.policy":
        return "error"  # records of a log are lost, or state is
    if found.setting == "partitions":
        together = {deployment.names[name] for name in _CO_PARTITIONED}
        return "error" if found.topic in together or found.topic.endswith("-state-changelog") else "warning"
    if found.setting == "max.message.bytes" and found.found is not None and int(found.found) < int(found.wanted):
        return "error"
    return "warning"


def _replicas(found: Mapping[str, FoundTopic]) -> Iterator[Finding]:
    single = sorted(name for name, topic in found.items() if topic.replication == 1)
    if single:
        yield Finding(
            CHECK,
            "warning",
            _named(single),
            "one replica: a broker that loses its disk loses records, and while it is down nothing is decided",
            "three brokers, and replication 3 (topics.replication)",
        )
    for name, topic in sorted(found.items()):
        if topic.lacking:
            yield Finding(
                CHECK,
                "error",
                name,
                f"replicas of partitions {', '.join(map(str, topic.lacking))} are out of sync",
                "find the broker that is down or behind",
            )


def _changelogs(deployment: Deployment, found: Mapping[str, FoundTopic]) -> Iterator[Finding]:
    for stage in deployment.stages:
        log, changelog = found.get(stage.input_topic), found.get(stage.changelog_topic)
        if log is not None and changelog is not None and log.partitions != changelog.partitions:
            yield Finding(
                CHECK,
                "error",
                stage.changelog_topic,
                f"{changelog.partitions} partitions, its log '{stage.input_topic}' has {log.partitions}",
                "delete the changelog and create it with as many: fraudstream topics apply",
            )


def retention_findings(deployment: Deployment, found: Mapping[str, FoundTopic]) -> list[Finding]:
    """Topics whose records are deleted before they are read, or before a state could be rebuilt from them."""
    catalogue = deployment.rule_set.catalogue
    findings = []
    for name in ("payments", "labels", "alerts", "case-actions", "dead-letters", "decisions"):
        topic = deployment.names[name]
        if topic in found and 0 <= (kept := _retention_ms(found[topic])) < OUTAGE_MS:
            findings.append(
                Finding(
                    RETENTION,
                    "error",
                    topic,
                    f"records are deleted after {_days(kept)}: an outage over a weekend loses them unread",
                    f"retention.ms of at least {OUTAGE_MS} ({_days(OUTAGE_MS)})",
                )
            )
    payments = found.get(deployment.payments)
    if payments is not None:
        findings += _against_windows(deployment.payments, _retention_ms(payments), catalogue)
    if not findings and payments is not None:
        findings.append(Finding(RETENTION, "ok", "cluster", "windows and delays of labels fit into the retention"))
    return findings


def _against_windows(topic: str, kept: int, catalogue: Catalogue) -> Iterator[Finding]:
    """One finding, as one setting mends it."""
    longest = max((f.window_ms + f.delay_ms for f in catalogue.features), default=0)
    labels = label_retention_ms(catalogue)
    if not 0 <= kept < max(longest, labels):
        return
    lacking = []
    if kept < longest:
        lacking.append(f"the longest window of features.yaml is {_days(longest)}")
    if kept < labels:
        lacking.append(f"labels find payments of {_days(labels)}")
    yield Finding(
        RETENTION,
        "warning",
        topic,
        f"kept for {_days(kept)}, {' and '.join(lacking)}: after a rebuild from the log (a lost changelog, a backfill) "
        "windows are not full, or late labels find none",
        f"retention.ms of at least {max(longest, labels)}, or state exports on a schedule (docs/disaster-recovery.md)",
    )


def _retention_ms(topic: FoundTopic) -> int:
    """-1 if records are kept for ever, or if the broker does not report it."""
    return int(topic.config("retention.ms") or -1)


def _days(ms: int) -> str:
    for unit, name in (("d", "days"), ("h", "hours"), ("m", "minutes")):
        if ms >= UNITS_MS[unit]:
            count = ms / UNITS_MS[unit]
            return f"{count:.3g} {name[:-1] if count == 1 else name}"
    return f"{ms / 1000:.3g} seconds"


def _named(names: list[str]) -> str:
    return ", ".join(names) if len(names) <= 3 else f"{', '.join(names[:2])} and {len(names) - 2} more"
