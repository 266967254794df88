"""The clients of docs/gateway.md against a gateway and a worker: each is told the decision, the repeat and the refusal.

Clients in other languages run where their tools are. Spring's needs its jars, `FRAUDSTREAM_TEST_SPRING=DIRECTORY`:
`mvn --file deploy/clients/gateway/pom.xml dependency:copy-dependencies -DoutputDirectory=DIRECTORY` fetches them.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from fraudstream.client import AsyncGatewayClient, GatewayClient, GatewayError, PaymentRefusedError
from tests.brokers import on_both_brokers
from tests.integration.gateway.gateway_cluster import GatewayCluster
from tests.integration.stream.payments import payment

CLIENTS = Path(__file__).parents[3] / "deploy/clients"
RUN_S_MAX = 120
SPRING = os.environ.get("FRAUDSTREAM_TEST_SPRING")


@pytest.fixture
async def url(cluster: GatewayCluster) -> AsyncIterator[str]:
    """The address of a gateway, beside a worker."""
    async with cluster.stream.worker():
        yield await cluster.url_of(cluster.start("gateway-0"))


async def run(command: Sequence[str], text: bytes) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a command."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, stderr=pipe)
    try:
        out, err = await asyncio.wait_for(process.communicate(text), RUN_S_MAX)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode or 0, out.decode(), err.decode()


def lines_of(*payments: bytes) -> bytes:
    return b"".join(each + b"\n" for each in payments)


async def test_the_clients_of_python(url: str) -> None:
    closed = "http://127.0.0.1:1"

    def used(client: GatewayClient) -> tuple[Any, ...]:
        first, repeat = (client.decide(payment(1, "a")) for _ in range(2))
        several = client.decide_several([json.loads(payment(2, "a")), payment(3, "a", amount=1)])
        return first, repeat, several, client.find("e2"), client.find("unknown")

    with GatewayClient([closed, url]) as client:
        first, repeat, (second, refused), found, unknown = await asyncio.to_thread(used, client)
        with pytest.raises(PaymentRefusedError, match=r"\$\.amount"):
            await asyncio.to_thread(client.decide, payment(4, "a", amount=1))
    assert (first.event_id, first.outcome, first.outcome_to_follow, first.timed_out) == ("e1", "allow", "allow", False)
    assert dict(repeat.fields) == {**first.fields, "repeat": True}
    assert second.event_id == "e2"
    assert found == second
    assert unknown is None
    assert isinstance(refused, PaymentRefusedError)
    assert (refused.code, refused.path, refused.status) == ("invalid", "$.amount", 422)
    async with AsyncGatewayClient([closed, url]) as other:
        answers = await asyncio.gather(*(other.decide(payment(number, "b"), deadline_ms=5_000) for number in range(9)))
        assert [answer.event_id for answer in answers] == [f"e{number}" for number in range(9)]
        assert (await other.find("e7")) == answers[7]
        (answer,) = await other.decide_several([payment(20, "b")])
        assert not isinstance(answer, PaymentRefusedError)
    async with AsyncGatewayClient(closed) as nobody:
        with pytest.raises(GatewayError, match=r"no gateway answers at http://127\.0\.0\.1:1"):
            await nobody.decide(payment(1, "a"))


async def test_send_prints_the_answer(url: str) -> None:
    command = [sys.executable, "-m", "fraudstream.cli.main", "send", "--url", url, "--deadline-ms", "5000"]
    code, out, err = await run([*command, payment(1, "a").decode()], b"")
    assert (code, json.loads(out)["outcome"], err) == (0, "allow", "")
    code, out, err = await run([*command, "-"], b"[" + payment(1, "a") + b"," + payment(2, "a", amount=1) + b"]\n")
    decided, refused = map(json.loads, out.splitlines())
    assert (code, decided["repeat"], refused["path"], err) == (1, True, "$.amount", "")
    code, out, err = await run([*command, "{}"], b"")
    assert (code, out) == (1, "")
    assert err.startswith("fraudstream: the payment cannot be decided (invalid): $: The field 'event_id' is missing")
    code, out, err = await run([*command[:4], "--url", "http://127.0.0.1:1", "{}"], b"")
    assert (code, out) == (1, "")
    assert err.startswith("fraudstream: no gateway answers at http://127.0.0.1:1")


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
async def test_curl(url: str) -> None:
    command = ["curl", "-sS", "-H", "Content-Type: application/json", "-d", "@-", f"{url}/v1/decisions"]
    code, out, err = await run(command, payment(1, "a"))
    assert (code, json.loads(out)["event_id"], err) == (0, "e1", "")


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
async def test_node(url: str) -> None:
    script = str(CLIENTS / "gateway/gateway_client.js")
    text = lines_of(payment(1, "a"), payment(2, "a"), payment(3, "a", amount=1))
    code, out, err = await run(["node", script, url], text)
    first, second, refused = map(json.loads, out.splitlines())
    assert (code, err) == (0, "")
    assert (first["event_id"], second["event_id"]) == ("e1", "e2")
    assert refused["error"].startswith("invalid $.amount: amount must be text")


@pytest.mark.skipif(shutil.which("javac") is None, reason="a JDK is not installed")
async def test_java(url: str) -> None:
    script = str(CLIENTS / "gateway/GatewayClient.java")
    code, out, err = await run(["java", script, url], lines_of(payment(1, "a"), payment(2, "a", amount=1)))
    first, refused = map(json.loads, out.splitlines())
    assert (code, err) == (0, "")
    assert (first["event_id"], refused["code"], refused["path"]) == ("e1", "invalid", "$.amount")


@pytest.mark.skipif(shutil.which("go") is None, reason="go is not installed")
async def test_go(url: str) -> None:
    program = str(CLIENTS / "go/gateway/main.go")
    code, out, err = await run(["go", "run", program, url], lines_of(payment(1, "a"), payment(2, "a", amount=1)))
    first, refused = map(json.loads, out.splitlines())
    assert (code, err) == (0, "")
    assert (first["event_id"], refused["code"], refused["path"]) == ("e1", "invalid", "$.amount")


@pytest.mark.skipif(SPRING is None, reason="FRAUDSTREAM_TEST_SPRING names no directory of jars")
@on_both_brokers
async def test_springs_replying_template_gets_decisions_without_http(cluster: GatewayCluster) -> None:
    settings = cluster.stream.settings
    script = str(CLIENTS / "gateway/SpringRequestReply.java")
    command = [
        "java",
        "-cp",
        f"{SPRING}/*",
        script,
        cluster.stream.broker,
        settings.payments_topic,
        cluster.replies,
        "1",
    ]
    keyed = [b"a\t" + each for each in (payment(1, "a"), payment(2, "a"), payment(1, "a"), payment(3, "a", amount=1))]
    async with cluster.stream.worker():
        code, out, err = await run(command, lines_of(*keyed))
    assert code == 0, err
    first, second, repeat, refused = map(json.loads, out.splitlines())
    assert (first["event_id"], first["outcome"], second["event_id"]) == ("e1", "allow", "e2")
    assert repeat == first | {"repeat": True}
    assert (refused["outcome"], refused["reason"], refused["path"]) == ("unjudged", "invalid", "$.amount")
