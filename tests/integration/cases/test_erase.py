"""`fraudstream erase`: an account's data goes from every place that can lose it, others stay, a legal hold refuses."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
from aiokafka import AIOKafkaProducer
from redis.asyncio import Redis

from fraudstream.cases.agent import CaseAgent
from fraudstream.cases.grouping import case_id_of
from fraudstream.cases.view import CaseView
from fraudstream.cli.main import main
from fraudstream.console.access import PREFIX
from fraudstream.console.access.references import References, read_or_make_secret
from fraudstream.contracts import AuditRecord, Payment
from fraudstream.history.manifest import load
from tests.brokers import on_both_brokers
from tests.integration.cases.case_cluster import CaseCluster, accounts_of, eventually
from tests.unit.cases.events import action, alert, ask

pytestmark = on_both_brokers


class Deployment(NamedTuple):
    """Topics, Redis, a history store, and two accounts; `erased` is to go."""

    cluster: CaseCluster
    config: Path
    audit_topic: str
    erased: str
    kept: str

    def case_ids(self) -> tuple[str, str]:
        return case_id_of(self.erased, "a1"), case_id_of(self.kept, "b1")

    async def run(self, capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, Any, str]:
        """A command's exit code, what it printed as JSON, and its error."""
        capsys.readouterr()
        code = await asyncio.to_thread(main, ["--config", str(self.config), *args, "--json"])
        out, err = capsys.readouterr()
        return code, json.loads(out) if out else None, err

    async def audited(self) -> list[AuditRecord]:
        found = await self.cluster.records(self.audit_topic)
        return [msgspec.json.decode(record.value, type=AuditRecord) for record in found]


@pytest.fixture
async def deployment(cluster: CaseCluster, unique_name: Callable[[str], str], tmp_path: Path) -> Deployment:
    s, audit = cluster.settings, unique_name("audit")
    decisions, labels = unique_name("decisions"), unique_name("labels")
    await cluster.create_topics([audit, decisions, labels])
    config = tmp_path / "fraudstream.toml"
    config.write_text(
        f'[kafka]\nbootstrap_servers = "{s.brokers.servers}"\n[redis]\nurl = "{s.redis_url}"\n'
        f'[worker]\ncheckpoint_mode = "{"transaction" if s.fenced else "batch"}"\n'
        f'[topics]\nalerts = "{s.alerts_topic}"\ncases = "{s.cases_topic}"\npayments = "{s.payments_topic}"\n'
        f'case_actions = "{s.case_actions_topic}"\ncase_answers = "{s.case_answers_topic}"\n'
        f'dead_letters = "{s.dead_letters_topic}"\naudit = "{audit}"\n'
        f'notices = "{s.notices_topic}"\nnotice_answers = "{s.notice_answers_topic}"\n'
        f'decisions = "{decisions}"\nlabels = "{labels}"\n'
        f'controls = "{unique_name("controls")}"\n'
        f'[history]\ndirectory = "{tmp_path / "history"}"\n'
        f'[evidence]\ndirectory = "{tmp_path / "evidence"}"\n'
    )
    return Deployment(cluster, config, audit, unique_name("acc-1"), unique_name("acc-2"))


@asynccontextmanager
async def agent_of(cluster: CaseCluster) -> AsyncIterator[CaseView]:
    view = CaseView(cluster.settings.redis_url)
    agent = CaseAgent(cluster.settings, view=CaseView(cluster.settings.redis_url))
    await agent.start()
    try:
        yield view
    finally:
        await agent.stop()
        await view.close()
        assert agent.crash_reason is None


async def publish_payments(deployment: Deployment) -> None:
    async with AIOKafkaProducer(**deployment.cluster.settings.brokers.options()) as producer:
        for account_id in (deployment.erased, deployment.kept):
            payment = Payment(
                event_id=f"of-{account_id}",
                occurred_at=1_772_625_600_000,
                account_id=account_id,
                amount="12.00",
                currency="EUR",
                direction="debit",
            )
            topic = deployment.cluster.settings.payments_topic
            await producer.send_and_wait(topic, msgspec.json.encode(payment), key=account_id.encode())


async def attach(deployment: Deployment, capsys: pytest.CaptureFixture[str], case_id: str, *contents: str) -> None:
    """Add files with these contents and names to a case, by the command."""
    for content in contents:
        path = deployment.config.parent / f"{content}.txt"
        path.write_text(content)
        code, case, err = await deployment.run(capsys, "cases", "attach", case_id, str(path), "--as", "ann")
        assert (code, err) == (0, "")
        assert (case["files"][-1]["file_name"], case["files"][-1]["media_type"]) == (path.name, "text/plain")


async def fill_history(deployment: Deployment) -> None:
    command = (sys.executable, "-m", "fraudstream.cli.main", "--config", str(deployment.config), "history", "--once")
    process = await asyncio.create_subprocess_exec(*command, "--metrics-port", "0", stderr=asyncio.subprocess.PIPE)
    _, err = await process.communicate()
    assert process.returncode == 0, err.decode()


async def test_an_account_goes_from_every_place_that_can_lose_it_and_others_stay(
    deployment: Deployment, capsys: pytest.CaptureFixture[str]
) -> None:
    d, (erased_case, kept_case) = deployment, deployment.case_ids()
    await publish_payments(d)
    redis = Redis.from_url(d.cluster.settings.redis_url, decode_responses=True)
    await redis.hset(f"{PREFIX}views:of:ann", "mine", f"q={d.erased}")
    await redis.hset(f"{PREFIX}views:of:ann", "other", f"q={d.kept}")
    async with agent_of(d.cluster) as view:
        await d.cluster.publish_alerts([alert("a1", d.erased), alert("b1", d.kept)])
        await eventually(lambda: view.case(kept_case), lambda found: found is not None)
        await eventually(lambda: view.case(erased_case), lambda found: found is not None)
        await fill_history(d)

        code, _, err = await d.run(capsys, "erase", d.erased)
        assert (code, f"case {erased_case} is new" in err, "--override" in err) == (1, True, True)
        assert await view.case(erased_case) is not None

        await attach(d, capsys, erased_case, "of-both", "own")
        await attach(d, capsys, kept_case, "of-both")
        asking = ask(erased_case, account_id=d.erased)
        closing = action("close", erased_case, disposition="false_positive", account_id=d.erased, note="called")
        await d.cluster.publish_actions([action("claim", erased_case, account_id=d.erased), asking, closing])
        await eventually(lambda: view.queue(1_000), lambda found: erased_case not in [case.case_id for case in found])
        code, found, _ = await d.run(capsys, "erase", d.erased, "--dry-run")
        erasable = {place["name"].split()[0]: place["held"] for place in found["places"] if place["fate"] == "erasable"}
        assert (code, erasable) == (0, {"topic": 1, "cases": 1, "saved": 1, "history": 1, "files": 2})
        held = {place["name"]: (place["held"], place["fate"]) for place in found["places"]}
        assert held[f"topic {d.cluster.settings.notices_topic}"][0] == 1
        assert held[f"topic {d.cluster.settings.notices_topic}"][1] != "erasable", "its records expire"
        assert (await d.run(capsys, "erase", d.erased, "--check"))[0] == 1
        assert await view.case(erased_case) is not None, "looking erases nothing"

        for times in (1, 0):  # the second time nothing is left
            code, found, _ = await d.run(capsys, "erase", d.erased, "--by", "eve")
            assert code == 0
            assert found["erased"] == {
                "cases": times,
                "of_others": [],
                "redis": found["erased"]["redis"],
                "files": times,  # the other one is a file of the case that stays
                "history": {"payments": 1} if times else {},
            }
        assert (await d.run(capsys, "erase", d.erased, "--check"))[0] == 0
        assert await view.case(erased_case) is None
        assert await view.case(kept_case) is not None
        assert [len(path.read_text()) for path in (d.config.parent / "evidence").glob("??/*")] == [len("of-both")]
        assert await redis.hgetall(f"{PREFIX}views:of:ann") == {"other": f"q={d.kept}"}
        code, found, _ = await d.run(capsys, "history", "show", "--account", d.kept)
        assert found["payments"] == 1

    events = [record.event for record in await d.audited() if record.event.action == "erase"]
    pseudonym = References(await read_or_make_secret(redis)).pseudonym("account", d.erased)
    assert await redis.zscore(f"{PREFIX}erased-accounts", pseudonym) is not None, "running consoles are told"
    await redis.aclose()
    assert {event.object for event in events} == {f"account:{pseudonym}"}
    assert [event.outcome for event in events] == ["asked", "refused", "asked", "done", "asked", "done"]
    manifest = load(d.config.parent / "history")
    assert manifest is not None
    assert {erasure.account_digest for erasure in manifest.erasures} == {pseudonym}
    assert not any(d.erased.encode() in record.value for record in await d.cluster.records(d.audit_topic))


async def test_an_override_erases_what_is_under_legal_hold_and_its_reason_is_audited(
    deployment: Deployment, capsys: pytest.CaptureFixture[str]
) -> None:
    d, (erased_case, _) = deployment, deployment.case_ids()
    async with agent_of(d.cluster) as view:
        await d.cluster.publish_alerts([alert("a1", d.erased)])
        await eventually(lambda: view.case(erased_case), lambda found: found is not None)
        code, found, err = await d.run(capsys, "erase", d.erased, "--override", "order 17 of the court")
        assert (code, err) == (0, "")
        assert found["erased"]["cases"] == 1
        assert await view.case(erased_case) is None
    details = [record.event.detail for record in await d.audited() if record.event.action == "erase"]
    assert details == ["override: order 17 of the court"] * 2


async def test_without_a_case_agent_it_fails_and_says_so_and_goes_on_when_there_is_one(
    deployment: Deployment, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    d, (erased_case, _) = deployment, deployment.case_ids()
    async with agent_of(d.cluster) as view:
        await d.cluster.publish_alerts([alert("a1", d.erased)])
        await eventually(lambda: view.case(erased_case), lambda found: found is not None)
        closing = action("close", erased_case, disposition="inconclusive", account_id=d.erased)
        await d.cluster.publish_actions([closing])
        await eventually(lambda: view.queue(1_000), lambda found: erased_case not in [case.case_id for case in found])
    monkeypatch.setattr("fraudstream.operations.erase_cases.ANSWER_S_MAX", 0.5)
    code, _, err = await d.run(capsys, "erase", d.erased)
    assert (code, "No case agent answered" in err) == (1, True)
    async with agent_of(d.cluster):
        code, _, err = await d.run(capsys, "erase", d.erased)
        assert (code, err) == (0, "")
        assert (await d.run(capsys, "erase", d.erased, "--check"))[0] == 0
    assert [record.event.outcome for record in await d.audited() if record.event.action == "erase"] == [
        *("asked", "failed"),
        *("asked", "done"),
    ]


async def test_a_case_that_one_of_the_account_was_merged_into_goes_too_even_after_its_alerts_were_split_off(
    deployment: Deployment, capsys: pytest.CaptureFixture[str]
) -> None:
    """It has the notes of the account's case, among those of its own."""
    d = deployment
    account, other = accounts_of(0, 2)
    merged_case, case_id = case_id_of(account, "a1"), case_id_of(other, "b1")
    async with agent_of(d.cluster) as view:
        await d.cluster.publish_alerts([alert("a1", account), alert("b1", other), alert("c1", d.kept)])
        await eventually(lambda: view.case(case_id), lambda found: found is not None)
        await d.cluster.publish_actions(
            [
                action("note", merged_case, action_id="n1", account_id=account, note="her sister's card"),
                action("merge", merged_case, action_id="m1", account_id=account, other_case_id=case_id),
            ]
        )
        await eventually(lambda: view.case(case_id), lambda found: found is not None and found.alert_count == 2)
        assert set(await view.ids_of_account(account)) == {merged_case, case_id}
        code, _, err = await d.run(capsys, "erase", account)
        assert (code, f"case {case_id} is new" in err) == (1, True)

        split = action("split", case_id, action_id="s1", account_id=other, alert_ids=("a1",), note="two matters")
        apart = case_id_of(account, "s1")
        await d.cluster.publish_actions([split])
        await eventually(lambda: view.case(apart), lambda found: found is not None)
        code, found, err = await d.run(capsys, "erase", account, "--override", "request 4")
        assert (code, err) == (0, "")
        assert (found["erased"]["cases"], found["erased"]["of_others"]) == (3, [case_id])
        for each in (merged_case, case_id, apart):
            assert await view.case(each) is None
        assert (await view.ids_of_account(account), await view.ids_of_account(other)) == ([], [])
        assert await view.case(case_id_of(d.kept, "c1")) is not None
        assert (await d.run(capsys, "erase", account, "--check"))[0] == 0
    events = [record.event for record in await d.audited() if record.event.action == "erase"]
    done = [event.detail for event in events if event.outcome == "done"]
    assert done == [f"override: request 4; merged cases: {case_id}"]
