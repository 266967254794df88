"""Requests made from the API's description: every answer is one that the description has, and none is a 500."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any, NamedTuple

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis.core.result import Ok
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance

from fraudstream.console.access.tokens import SCOPES
from fraudstream.console.web.api.openapi import BASE, description
from fraudstream.contracts.attached_file import AttachedFile
from fraudstream.evidence.directory_store import DirectoryStore
from tests.unit.console.case_alerts import CASE
from tests.unit.console.console_app import ORIGIN, ConsoleUnderTest, case
from tests.unit.console.evidence_files import CONTENT, DIGEST

# Without its security: a token is always sent here. What is refused without one is in test_api.
SCHEMA = schemathesis.openapi.from_dict(description() | {"security": []})
OPERATIONS = [result.ok() for result in SCHEMA.get_all_operations() if isinstance(result, Ok)]
MODES = [
    pytest.param(operation, mode, id=f"{operation.label}-{mode.value}")
    for operation in OPERATIONS
    for mode in GenerationMode
    if mode is GenerationMode.POSITIVE or list(operation.iter_parameters())
]
EXAMPLES = 25  # of each operation


class Program(NamedTuple):
    """A program with every scope, and the loop in which its console runs."""

    client: httpx.AsyncClient
    runner: asyncio.Runner

    def send(self, request: Any, *, on_case: bool) -> httpx.Response:
        """Send a generated request. `on_case`: to the case that there is."""
        sent = request.as_transport_kwargs(base_url=ORIGIN + BASE)
        url = str(sent["url"])
        if "/cases/" in url and on_case:
            ends = ("/actions", "/report", "/files")
            end = next((each for each in ends if url.endswith(each)), f"/files/{DIGEST}" if "/files/" in url else "")
            url = f"{ORIGIN}{BASE}/cases/{CASE}{end}"
        headers = {**(sent.get("headers") or {}), "authorization": self.client.headers["authorization"]}
        content = {name: sent[name] for name in ("params", "json", "data") if sent.get(name) is not None}
        if isinstance(content.get("data"), bytes):
            content["content"] = content.pop("data")
        sending = self.client.request(sent["method"], url, headers=headers, **content)
        return self.runner.run(sending)


@pytest.fixture(scope="module")
def program(redis_url: str) -> Iterator[Program]:
    with asyncio.Runner() as runner:
        console = runner.run(_console(redis_url))
        yield Program(runner.run(console.program(*SCOPES, lives_ms=10**12)), runner)
        runner.run(console.close())


async def _console(redis_url: str) -> ConsoleUnderTest:
    console = ConsoleUnderTest(redis_url, "cases-of-description:", api_requests_per_minute=100_000)
    with DirectoryStore(console.files).incoming(len(CONTENT)) as file:
        file.write(CONTENT)
        file.keep()
    await console.put(case(CASE, files=(AttachedFile(DIGEST, "x.pdf", len(CONTENT), "application/pdf", "ann", 1),)))
    return console


@pytest.mark.parametrize(("operation", "mode"), MODES)
def test_every_answer_is_described(program: Program, operation: Any, mode: GenerationMode) -> None:
    seen: list[int] = []

    @seed(1)
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(operation.as_strategy(generation_mode=mode))
    def check(request: Any) -> None:
        answer = program.send(request, on_case=mode is GenerationMode.POSITIVE and len(seen) % 2 == 0)
        seen.append(answer.status_code)
        # A note needs its text, a cursor comes from the page before: the description cannot say that.
        excluded = [positive_data_acceptance]
        request.validate_response(schemathesis.Response.from_httpx(answer, verify=False), excluded_checks=excluded)

    check()
    assert all(status < 500 for status in seen)
    if mode is GenerationMode.POSITIVE:
        assert {200, 409, 412} & set(seen)  # it reached the case
