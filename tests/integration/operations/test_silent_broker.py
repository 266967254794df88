"""A broker that accepts connections and never answers: every command that works on Kafka ends within its time limit,
with one plain sentence and a non-zero exit code."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from fraudstream.cases import view
from fraudstream.cases.grouping import opened
from fraudstream.cases.view import CaseView
from fraudstream.cli.main import main
from fraudstream.kafka import Brokers, connection_diagnosis
from fraudstream.operations import cluster_access
from fraudstream.operations.cluster_access import ClusterError, on_cluster
from tests.unit.cases.events import alert

LIMIT_S = 0.5
ENDED_WITHIN_S = 15.0  # far below aiokafka's own 40 s; a rule set is compiled on the way


@pytest.fixture(scope="module")
def silent_broker() -> Iterator[str]:
    """`host:port` of a TCP server that reads what it is sent and never answers."""
    ready, address = threading.Event(), list[str]()
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()

    async def serve() -> None:
        async def ignore(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while await reader.read(65_536):
                pass
            writer.close()

        async with await asyncio.start_server(ignore, "127.0.0.1", 0) as server:
            host, port = server.sockets[0].getsockname()
            address.append(f"{host}:{port}")
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    assert ready.wait(10)
    yield address[0]
    loop.call_soon_threadsafe(stop.set)
    thread.join(10)


@pytest.fixture(autouse=True)
def short_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster_access, "ANSWER_S", LIMIT_S)
    monkeypatch.setattr(connection_diagnosis, "ANSWER_S_MAX", LIMIT_S)


COMMANDS = [
    ("explain", "b42be4f85c73a1b99caaf5747089f7bc"),
    ("explain", "--event", "e1", "--account", "acc-1"),
    ("dead-letters", "list"),
    ("dead-letters", "show", "0:0"),
    ("dead-letters", "replay", "--all"),
    ("lists", "show"),
    ("lists", "add", "stolen_devices", "dev-8"),
    ("lists", "remove", "stolen_devices", "dev-8"),
    ("rules", "active"),
    ("rules", "activate", "--skip-tests"),
    ("state", "export", "EXPORT"),
    ("topics", "check"),
    ("topics", "apply"),
    ("generate", "--topic", "--count", "10"),
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_command_ends_in_one_sentence(
    command: tuple[str, ...], silent_broker: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    arguments = [str(tmp_path / "export") if argument == "EXPORT" else argument for argument in command]
    began = time.monotonic()
    code = main([*arguments, "--bootstrap-servers", silent_broker])
    assert code == 1
    assert time.monotonic() - began < ENDED_WITHIN_S
    error = capfd.readouterr().err
    assert error.startswith("fraudstream: ")
    assert error.count("\n") == 1, error
    assert silent_broker in error


@asynccontextmanager
async def case_in_view(redis_url: str) -> AsyncIterator[str]:
    """The id of a case in the view that the command line reads."""
    case_view, case = CaseView(redis_url), opened(alert("a1", "acc-silent"))
    await case_view.put(0, [case])
    try:
        yield case.case_id
    finally:
        await case_view.clear()
        await case_view.close()


async def test_a_case_is_shown_without_its_reasons(
    silent_broker: str, redis_url: str, capfd: pytest.CaptureFixture[str]
) -> None:
    async with case_in_view(redis_url) as case_id:
        flags = ["--redis-url", redis_url, "--bootstrap-servers", silent_broker]
        assert await asyncio.to_thread(main, ["cases", "show", case_id, *flags]) == 0
    shown = capfd.readouterr()
    assert "reasons unknown: " in shown.out
    assert shown.err == ""


async def test_an_action_on_a_case_ends_in_one_sentence(
    silent_broker: str, redis_url: str, capfd: pytest.CaptureFixture[str]
) -> None:
    async with case_in_view(redis_url) as case_id:
        flags = ["--redis-url", redis_url, "--bootstrap-servers", silent_broker, "--as", "ann"]
        assert await asyncio.to_thread(main, ["cases", "claim", case_id, *flags]) == 1
    error = capfd.readouterr().err
    assert error.startswith("fraudstream: ")
    assert error.count("\n") == 1


@pytest.mark.parametrize("command", [("list",), ("show", "case-1"), ("claim", "case-1", "--as", "ann")], ids=" ".join)
def test_a_silent_redis_is_one_sentence_too(
    command: tuple[str, ...], silent_broker: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(view, "SOCKET_TIMEOUT_S", LIMIT_S)
    assert main(["cases", *command, "--redis-url", f"redis://{silent_broker}/0"]) == 1
    error = capfd.readouterr().err
    assert error.startswith("fraudstream: the view cannot be read: ")
    assert error.count("\n") == 1


async def test_work_that_a_broker_never_answers_ends_at_its_limit(broker: str) -> None:
    with pytest.raises(ClusterError, match=r"no answer within the time limit") as ended:
        await on_cluster(Brokers(broker), asyncio.Event().wait, answer_s=10.0, within_s=0.2)
    assert (ended.value.reason, ended.value.servers) == ("no_answer", broker)
