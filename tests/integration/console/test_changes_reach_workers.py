"""What is changed in the console is what a running worker decides by: list entries, thresholds, and the way back.

One test with one worker and one console, since starting both takes longer than all that follows.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Final

import httpx
import pytest
from msgspec.structs import replace

from fraudstream.console.access.roles import Role
from fraudstream.contracts import Decision
from fraudstream.controls.reader import read_controls
from fraudstream.controls.topic import ControlsTopic
from fraudstream.engine.rule_set import compile_rule_set
from tests.integration.cases.case_cluster import CaseCluster, eventually
from tests.integration.console.running_console import PASSWORD, RunningConsole, running_console
from tests.integration.stream.cluster import StreamCluster
from tests.integration.stream.payments import payment
from tests.integration.stream.worker_log import assigned
from tests.unit.console.console_app import token_of

WAIT_S: Final = 90.0
DEVICE: Final = "device-77aa88bb"
ACCOUNT: Final = "acc-1"


def rule(name: str, number: int, when: str) -> str:
    return (
        f"id: 0b6f6c1e-6a55-4c3b-9a0e-5d1f0f1d7a4{number}\ntitle: {name}\nstatus: live\nseverity: high\n"
        f'when: {when}\nmessage: "{{amount}}"\n'
    )


RULES: Final = {
    "features.yaml": "version: 1\nentities: {account: {key: account_id, slots: 16}}\n"
    "features:\n  account.payments_1d: {aggregate: count, window: 1d}\n",
    "lists.yaml": "lists:\n  stolen_devices: {of: device_id, kind: deny, description: gone}\n",
    "test/stolen.yaml": rule("Stolen device", 1, "device_id in lists.stolen_devices"),
    "test/large.yaml": rule("Large payment", 2, "amount >= 100"),
}
DIGEST: Final = compile_rule_set(RULES).digest


@pytest.fixture
async def stream(broker: str, unique_name: Callable[[str], str], tmp_path: Path) -> AsyncIterator[StreamCluster]:
    """A worker that runs."""
    stream = StreamCluster(broker, unique_name, tmp_path / "rules", rules=RULES, partitions=2)
    await stream.create_topics()
    worker = stream.start_process("worker")
    try:
        await worker.logs(assigned(0, 1))
        yield stream
        await worker.stop()
    finally:
        worker.kill()


@pytest.fixture
async def console(
    stream: StreamCluster, broker: str, redis_url: str, unique_name: Callable[[str], str], tmp_path: Path
) -> AsyncIterator[RunningConsole]:
    cluster = CaseCluster(broker, redis_url, unique_name)
    topics = {f"{name}_topic": getattr(stream.settings, f"{name}_topic") for name in ("alerts", "payments")}
    cluster.settings = replace(cluster.settings, **topics)
    s = cluster.settings
    await cluster.create_topics(
        (
            *(s.case_actions_topic, s.case_answers_topic, s.cases_topic, s.notices_topic, s.notice_answers_topic),
            s.dead_letters_topic,
        )
    )
    async with running_console(cluster, tmp_path / "console.log", stream.flags()) as console:
        yield console


async def logged_in(console: RunningConsole, name: str, role: Role) -> httpx.AsyncClient:
    await console.add_user(name, role)
    client = httpx.AsyncClient(base_url=console.url, headers={"accept": "text/html"}, timeout=WAIT_S)
    form = await client.get("/login")
    data = {"csrf": token_of(form.text), "name": name, "password": PASSWORD}
    assert (await client.post("/login", data=data)).status_code == 303
    return client


async def post(client: httpx.AsyncClient, path: str, **fields: str) -> str:
    """Send a form; the path to which it leads."""
    answer = await client.post(path, data={"csrf": token_of((await client.get("/")).text), **fields})
    assert answer.status_code == 303, answer.text
    return str(answer.headers["location"])


async def settled(client: httpx.AsyncClient, path: str, waits: str) -> str:
    """The page once it does not say `waits`."""
    async with asyncio.timeout(WAIT_S):
        while waits in (page := (await client.get(path)).text):  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    return page


async def test_a_running_worker_applies_what_is_changed_in_the_console(
    console: RunningConsole, stream: StreamCluster
) -> None:
    ann, bob = await logged_in(console, "ann", "rule_author"), await logged_in(console, "bob", "senior")

    async def decided(number: int, amount: str, **fields: str) -> Decision:
        await stream.publish_records([(ACCOUNT.encode(), payment(number, ACCOUNT, amount=amount, **fields))])
        found = {decision.event_id: decision for decision in await stream.decisions(number + 1)}
        return found[f"e{number}"]

    async def approved(path: str) -> None:
        page = await settled(bob, await post(bob, f"{path}/approve"), "Running")
        assert "Done" in page, re.sub(r"<[^>]*>", "", page)

    before = await decided(0, "90.00", device_id=DEVICE)
    assert (before.outcome, before.rule_set) == ("allow", DIGEST)

    # A value is put on a list.
    await approved(await post(ann, "/lists/stolen_devices/add", values=DEVICE, note="reported"))
    listed = await decided(1, "90.00", device_id=DEVICE)
    assert (listed.outcome, listed.rule_set) == ("review", DIGEST)
    topic = ControlsTopic(stream.brokers, stream.settings.controls_topic, idempotent=False)
    (entry,) = (await read_controls(topic)).entries.values()
    assert (entry.value, entry.by, entry.note) == (DEVICE, "bob", "stolen_devices, proposed by ann: reported")

    # A case page shows what nearly fired on the payment, as it was decided.
    (found,) = await eventually(lambda: console.view.queue(10), lambda cases: len(cases) == 1)
    page = await settled(bob, f"/cases/{found.case_id}?near=1", "is being decided again")
    assert "Large payment" in page, re.sub(r"<[^>]*>", "", page)
    assert "short by <bdi>10.0</bdi> %" in page

    # A threshold is lowered, and brought back.
    draft = await post(ann, "/rules/test/large/settings", rule_set=DIGEST, number="50", status="live")
    text = RULES["test/large.yaml"].replace(">= 100", ">= 50")
    await approved(await post(ann, f"{draft}/propose", rule_text=text, cases_text="", note="more"))
    lowered = await decided(2, "60.00")
    assert lowered.outcome == "review"
    assert lowered.rule_set == compile_rule_set({**RULES, "test/large.yaml": text}).digest
    await approved(await post(ann, "/changes/restore", rule_set=DIGEST, note="too many alerts"))
    restored = await decided(3, "60.00")
    assert (restored.outcome, restored.rule_set) == ("allow", DIGEST)
    history = re.sub(r"<[^>]*>", "", (await ann.get("/changes")).text)
    assert f"Rule set {DIGEST} is in force" in history
    assert (
        "test/large, proposed by ann: more" in history.partition("Earlier rule sets")[2]
    )  # with its author and reason
    await asyncio.gather(ann.aclose(), bob.aclose())
