"""A case is exported on the command line: masked unless asked, and the audit log has its digest once a console runs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator, Callable
from io import BytesIO
from pathlib import Path

import msgspec
import pytest
from pypdf import PdfReader
from redis.asyncio import Redis

from fraudstream.cases.view import CaseView
from fraudstream.console.access import PREFIX
from fraudstream.contracts import AuditEvent
from tests.integration.cases.case_cluster import CaseCluster
from tests.integration.cases.running_agent import running_agent
from tests.integration.operations.case_commands import CaseCommands, case_of
from tests.unit.cases.events import alert


@pytest.fixture
async def events(redis_url: str) -> AsyncIterator[Callable[[], AsyncIterator[AuditEvent]]]:
    """The events that wait for a console."""
    redis = Redis.from_url(redis_url, decode_responses=True)
    await redis.delete(f"{PREFIX}audit-events")

    async def kept() -> AsyncIterator[AuditEvent]:
        for text in await redis.lrange(f"{PREFIX}audit-events", 0, -1):
            yield msgspec.json.decode(text, type=AuditEvent)

    yield kept
    await redis.delete(f"{PREFIX}audit-events")
    await redis.aclose()


async def test_a_case_is_exported_as_json_and_pdf(
    cluster: CaseCluster,
    view: CaseView,
    events: Callable[[], AsyncIterator[AuditEvent]],
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    cases, account = CaseCommands(cluster, capsys), "account-1001"
    async with running_agent(cluster):
        await cluster.publish_alerts([alert("a1", account)])
        case_id = (await case_of(view, account)).case_id
        assert (await cases("note", case_id, "客户说不是本人操作", "--as", "ann"))[0] == 0
    as_json, as_pdf = tmp_path / "report.json", tmp_path / "report.pdf"
    code, out = await cases("export", case_id, "--format", "json", "--out", str(as_json), "--as", "ann")
    assert (code, out) == (0, f"wrote {as_json}: {as_json.stat().st_size:,} bytes\n")
    report = json.loads(as_json.read_bytes())
    assert (report["account_id"], report["identifiers"], report["sources"]["payments"]) == (
        "••••1001",
        "masked",
        "none",
    )
    assert [step["action"] for step in report["steps"]] == ["note"]
    flags = ("--identifiers", "--language", "zh-Hans", "--out", str(as_pdf), "--as", "ann")
    assert (await cases("export", case_id[:8], *flags))[0] == 0
    text = "".join(page.extract_text() for page in PdfReader(BytesIO(as_pdf.read_bytes())).pages)
    assert account in text
    assert "客户说不是本人操作" in text

    found = [each async for each in events()]
    assert [(each.actor, each.action, each.object, each.detail) for each in found] == [
        ("ann", "export", f"case:{case_id}", f"json, identifiers masked, sha256:{digest_of(as_json)}"),
        ("ann", "export", f"case:{case_id}", f"pdf, identifiers shown, sha256:{digest_of(as_pdf)}"),
    ]
    code, out = await cases("export", case_id, "--out", str(tmp_path / "missing" / "x.pdf"), "--as", "ann")
    assert (code, "cannot be written" in out) == (1, True)


def digest_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
