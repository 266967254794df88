"""Files of cases on a console under test: sent as its page does, and as a program does."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import httpx

from tests.unit.console.case_alerts import CASE
from tests.unit.console.console_app import ConsoleUnderTest, token_of

CONTENT = b"%PDF-1.7 a bank statement"
DIGEST = hashlib.sha256(CONTENT).hexdigest()
FILE = f"/cases/{CASE}/files/{DIGEST}"


async def upload(
    client: httpx.AsyncClient, name: str = "statement.pdf", content: Any = CONTENT, case_id: str = CASE, **headers: str
) -> httpx.Response:
    """Send a file with the session's token, as the page's script does."""
    page = await client.get("/")
    sent = {"x-csrf-token": token_of(page.text), "content-type": "application/pdf"} | headers
    return await client.post(f"/cases/{case_id}/files", params={"name": name}, content=content, headers=sent)


async def add(client: httpx.AsyncClient, content: Any = CONTENT, key: str = "k", **params: str) -> httpx.Response:
    """Send a file as a program."""
    headers = {"idempotency-key": key, "content-type": "application/pdf"}
    params = {"name": "statement.pdf"} | params
    return await client.post(f"/api/v1/cases/{CASE}/files", params=params, content=content, headers=headers)


def stored(console: ConsoleUnderTest) -> list[Path]:
    """Every file in the directory of files."""
    return sorted(path for path in console.files.rglob("*") if path.is_file())
