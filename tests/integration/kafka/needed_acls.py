"""The ACLs of each component's user: what the tests on a secured cluster run with, and docs/runbook.md lists."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fraudstream.cases.settings import AgentSettings
from fraudstream.stream.settings import StreamSettings
from tests.integration.kafka.acls import Acl


def needed_acls(worker: StreamSettings, cases: AgentSettings) -> Mapping[str, Sequence[Acl]]:
    """By user. `worker`: of its first stage. `cases`: of the case agent on the same topics."""
    assert worker.labels_topic is not None
    return {
        "worker": [
            Acl("READ", "topic", worker.payments_topic),
            Acl("WRITE", "topic", worker.payments_topic),
            Acl("READ", "topic", worker.labels_topic),
            Acl("WRITE", "topic", worker.decisions_topic),
            Acl("WRITE", "topic", worker.alerts_topic),
            Acl("WRITE", "topic", worker.dead_letters_topic),
            Acl("READ", "topic", worker.changelog_topic),
            Acl("WRITE", "topic", worker.changelog_topic),
            Acl("READ", "topic", worker.controls_topic),
            Acl("WRITE", "topic", worker.controls_topic),
            Acl("READ", "group", worker.app_id),
            Acl("WRITE", "transactional id", f"{worker.app_id}-*"),
        ],
        "cases": [
            Acl("READ", "topic", cases.alerts_topic),
            Acl("READ", "topic", cases.case_actions_topic),
            Acl("WRITE", "topic", cases.case_actions_topic),
            Acl("WRITE", "topic", cases.case_answers_topic),
            Acl("WRITE", "topic", cases.notices_topic),
            Acl("READ", "topic", cases.notice_answers_topic),
            Acl("READ", "topic", cases.cases_topic),
            Acl("WRITE", "topic", cases.cases_topic),
            Acl("WRITE", "topic", cases.payments_topic),
            Acl("WRITE", "topic", cases.dead_letters_topic),
            Acl("READ", "group", cases.group),
            Acl("WRITE", "transactional id", f"{cases.group}-*"),
        ],
        "publisher": [Acl("WRITE", "topic", worker.payments_topic)],
        "reader": [Acl("READ", "topic", worker.dead_letters_topic)],
        "analyst": [
            Acl("READ", "topic", worker.payments_topic),
            Acl("READ", "topic", worker.alerts_topic),
            Acl("READ", "topic", worker.controls_topic),
        ],
    }
