"""Requests made from the API's description: every answer is one that the description has, and none is a 500."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis.core.result import Ok
from schemathesis.generation import GenerationMode

from fraudstream.gateway.web.openapi import description
from tests.unit.gateway.gateway_under_test import URL, GatewayUnderTest

SCHEMA = schemathesis.openapi.from_dict(description() | {"security": []})
OPERATIONS = [result.ok() for result in SCHEMA.get_all_operations() if isinstance(result, Ok)]
EXAMPLES = 25  # of each operation


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.label)
def test_every_answer_is_described(operation: Any, mode: GenerationMode) -> None:
    if mode is GenerationMode.NEGATIVE and not list(operation.iter_parameters()):
        return  # nothing of it can be wrong
    seen: list[int] = []
    with asyncio.Runner() as runner:
        gateway = runner.run(_entered())

        @seed(1)
        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(operation.as_strategy(generation_mode=mode))
        def send(case: Any) -> None:
            sent = case.as_transport_kwargs(base_url=URL)
            content = {name: sent[name] for name in ("params", "json", "data") if sent.get(name) is not None}
            if isinstance(content.get("data"), bytes):
                content["content"] = content.pop("data")
            headers = [
                (k.encode(), str(v).encode("latin-1", "replace")) for k, v in (sent.get("headers") or {}).items()
            ]
            answer = runner.run(gateway.client.request(sent["method"], sent["url"], headers=headers, **content))
            assert str(answer.status_code) in operation.definition.raw["responses"] or answer.status_code in (404, 405)
            assert answer.status_code < 500
            seen.append(answer.status_code)

        send()
        runner.run(gateway.__aexit__())
    assert seen != []


async def _entered() -> GatewayUnderTest:
    return await GatewayUnderTest(deadline_ms=50).__aenter__()
