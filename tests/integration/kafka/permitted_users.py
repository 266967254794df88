"""A user for each component, with exactly the permissions that docs/runbook.md lists, on topics of a test."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractContextManager, asynccontextmanager
from pathlib import Path
from typing import IO

import msgspec

from fraudstream.operations.acls.needs import AclScope
from tests.integration.cases.agent_process import agent_process
from tests.integration.cases.case_cluster import CaseCluster
from tests.integration.kafka.acls import Acl, Operation, allow, forbid
from tests.integration.kafka.needed_acls import needed_acls
from tests.integration.kafka.secure_cluster import SecureCluster, environment_of
from tests.integration.stream.cluster import StreamCluster
from tests.integration.stream.process import ChildProcess
from tests.integration.topic_admin import delete_topics

TOPICS_MADE: Sequence[Operation] = ("CREATE", "DESCRIBE", "ALTER_CONFIGS")


class PermittedUsers:
    """Topics of one test on a secured cluster, and its users.

    `stream`, `cases`: the topics, accessed as the administrator, to observe what the components did.
    `scope`: what decides the ACLs. `needs`: the ACLs of each user. `variables`: of the environment of all components.
    """

    def __init__(
        self, secure: SecureCluster, redis_url: str, unique_name: Callable[[str], str], directory: Path
    ) -> None:
        self.secure, self.admin = secure, secure.brokers("admin")
        self.variables: dict[str, str] = {}
        self.stream = StreamCluster(self.admin, unique_name, directory, kafka=True)
        replies = unique_name("replies")
        self.stream.settings = msgspec.structs.replace(
            self.stream.settings, reply_topics=(replies,), identifier_secret=None
        )
        self.cases = CaseCluster(self.admin, redis_url, unique_name, fenced=True)
        worker = self.stream.settings
        assert worker.labels_topic is not None
        self.cases.settings = cases = msgspec.structs.replace(
            self.cases.settings,
            payments_topic=worker.payments_topic,
            alerts_topic=worker.alerts_topic,
            dead_letters_topic=worker.dead_letters_topic,
        )
        self.topics = {
            "payments": worker.payments_topic,
            "labels": worker.labels_topic,
            "decisions": worker.decisions_topic,
            "alerts": worker.alerts_topic,
            "dead_letters": worker.dead_letters_topic,
            "controls": worker.controls_topic,
            "cases": cases.cases_topic,
            "case_actions": cases.case_actions_topic,
            "case_answers": cases.case_answers_topic,
            "notices": cases.notices_topic,
            "notice_answers": cases.notice_answers_topic,
            "audit": unique_name("audit"),
            "replies": replies,
        }
        self.scope = AclScope(
            names={name.replace("_", "-"): topic for name, topic in self.topics.items()},
            stages=self.stream.stages,
            cases_group=cases.group,
            bridge_group=unique_name("bridge"),
            webhooks_group=unique_name("webhooks"),
        )
        self.needs: Mapping[str, Sequence[Acl]] = {
            **needed_acls(self.scope),
            "topics": [
                Acl(operation, "topic", topic)
                for topic in (*self.topics.values(), worker.changelog_topic)
                for operation in TOPICS_MADE
            ],
        }

    @asynccontextmanager
    async def permitted(self) -> AsyncIterator[None]:
        """Give every user its ACLs until the block ends."""
        for user, acls in self.needs.items():
            await allow(self.admin, user, acls)
        try:
            yield
        finally:
            for user, acls in self.needs.items():
                await forbid(self.admin, user, acls)

    @asynccontextmanager
    async def without(self, user: str, *acls: Acl) -> AsyncIterator[None]:
        """Take these ACLs from a user until the block ends."""
        await forbid(self.admin, user, acls)
        try:
            yield
        finally:
            await allow(self.admin, user, acls)

    async def delete_topic(self, name: str) -> None:
        """Delete a topic, as the administrator."""
        await delete_topics(self.admin, name)

    # The components, each as its user

    def worker(self, name: str = "worker") -> ChildProcess:
        """A running worker."""
        return self.stream.start_process(name, environment=self._environment("worker"))

    def case_agent(
        self, log: IO[bytes], other: Mapping[str, object] | None = None
    ) -> AbstractContextManager[subprocess.Popen[bytes]]:
        """A case agent that runs until the block ends. `other`: settings that replace its own."""
        return agent_process(self.cases, other, log, self._environment("cases"))

    def command(self, user: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        environment = os.environ | self._environment(user)
        command = [sys.executable, "-m", "fraudstream.cli.main", *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=90)

    def process(self, user: str, words: Sequence[str], settings: Mapping[str, object]) -> ChildProcess:
        """A command that runs as this user."""
        flags = [part for name, value in settings.items() for part in ("--set", f"{name}={value}")]
        command = [sys.executable, "-m", "fraudstream.cli.main", *words, *flags]
        return ChildProcess(command, self.stream.directory / f"{user}.log", self._environment(user))

    def _environment(self, user: str) -> dict[str, str]:
        """The brokers as this user, the topics and the rules."""
        names = {f"FRAUDSTREAM_TOPICS_{name.upper()}": topic for name, topic in self.topics.items()}
        names["FRAUDSTREAM_WORKER_GROUP"] = self.stream.settings.group
        names["FRAUDSTREAM_RULES_DIRECTORY"] = str(self.stream.directory)
        return environment_of(self.secure.brokers(user)) | names | self.variables
