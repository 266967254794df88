"""The bridge works with the ACLs that docs/runbook.md lists and no others, and names a missing one."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import NewTopic

from fraudstream.operations.dead_letters import DeadLetterLog
from tests.integration.kafka.acls import Acl, allow, forbid
from tests.integration.kafka.secure_cluster import SecureCluster, environment_of
from tests.integration.topic_admin import admin_of

SAMPLE = Path(__file__).parents[2] / "unit" / "formats" / "samples" / "pacs.008.001.02-sepa.xml"
USER = "publisher"
BRIDGE_S_MAX = 90.0
LOGS_MOST = {"FRAUDSTREAM_LOG_LEVEL": "debug", "FRAUDSTREAM_KAFKA_SASL_MECHANISM": "PLAIN"}  # sends the password itself


@pytest.mark.kafka
async def test_a_bridge_works_with_the_permissions_of_the_runbook_and_names_each_that_is_missing(
    secure_kafka: SecureCluster, unique_name: Callable[[str], str]
) -> None:
    admin = secure_kafka.brokers("admin")
    source, payments, letters, group = map(unique_name, ("bank", "payments", "letters", "bridge"))
    async with admin_of(admin) as client:
        await client.create_topics([NewTopic(name, 1, 1) for name in (source, payments, letters)])
    async with AIOKafkaProducer(**admin.options()) as producer:
        for value in (SAMPLE.read_bytes(), b"no message"):
            await producer.send_and_wait(source, value)
    needs = [
        Acl("READ", "topic", source),
        Acl("WRITE", "topic", payments),
        Acl("WRITE", "topic", letters),
        Acl("READ", "group", group),
        Acl("WRITE", "transactional id", f"{group}-*"),
    ]
    words = [sys.executable, "-m", "fraudstream.cli.main", "bridge", f"--from={source}", "--format=pacs.008", "--once"]
    settings = {"topics.payments": payments, "topics.dead_letters": letters, "bridge.group": group}
    words += [f"--set={name}={value}" for name, value in settings.items()] + ["--metrics-port=0"]

    async def told() -> tuple[int, str]:
        environment = os.environ | environment_of(secure_kafka.brokers(USER)) | LOGS_MOST
        run = subprocess.run
        done = await asyncio.to_thread(
            run, words, env=environment, stderr=subprocess.PIPE, text=True, timeout=BRIDGE_S_MAX, check=False
        )
        assert f"{USER}-secret" not in done.stderr
        return done.returncode, done.stderr

    for missing, named in zip(needs, (source, payments, letters, group, f"{group}-{source}-0"), strict=True):
        given: Sequence[Acl] = [acl for acl in needs if acl != missing]
        await allow(admin, USER, given)
        code, complaint = await told()
        await forbid(admin, USER, given)
        assert (code, named in complaint) == (78, True), (missing, complaint)
    await allow(admin, USER, needs)
    try:
        code, complaint = await told()
        assert code == 0, complaint
    finally:
        await forbid(admin, USER, needs)
    found = [stored.letter async for stored in DeadLetterLog(admin, letters).letters()]
    assert [(letter.topic, letter.offset, letter.path) for letter in found] == [(source, 1, "/")]
