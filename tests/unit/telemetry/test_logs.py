"""The content of a log line, as text and as JSON."""

import io
import json
import logging
import os
from collections.abc import Iterator

import pytest
from aiokafka.errors import KafkaConnectionError

from fraudstream.telemetry.logs import OWN, QUIET, LogFormat, LogLevel, set_up_logs
from fraudstream.tracing.current import working_for
from tests.recorded_spans import CALLER


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    for name in (*QUIET, OWN):
        logging.getLogger(name).setLevel(logging.NOTSET)
    logging.captureWarnings(False)


def test_repeated_messages_of_a_library_are_logged_rarely_without_traceback(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stream = written("human")
    clock = [1_000.0]
    monkeypatch.setattr("time.time", lambda: clock[0])
    monkeypatch.setattr("time.time_ns", lambda: int(clock[0] * 1e9))
    library, ours = logging.getLogger("aiokafka.client"), logging.getLogger("fraudstream.stream")
    for number in range(3):
        try:
            raise KafkaConnectionError("gone")
        except KafkaConnectionError:
            library.exception("no way to node %d", number)
        ours.warning("ours")
    clock[0] += 11
    library.error("no way to node %d", 7)
    lines = [line.partition(" ")[2] for line in stream.getvalue().splitlines()]
    assert lines == [
        "ERROR aiokafka.client: no way to node 0: KafkaConnectionError: gone",
        *["WARNING stream: ours"] * 3,
        "ERROR aiokafka.client: no way to node 7 (and 2 more like it)",
    ]


def test_an_error_of_the_network_in_a_message_of_a_library_has_no_number() -> None:
    stream = written("human")
    error = OSError(111, "Connect call failed ('127.0.0.1', 19)")
    logging.getLogger("aiokafka").error("Unable connect to %s: %s", "b:19", error)
    assert stream.getvalue().endswith("ERROR aiokafka: Unable connect to b:19: Connection refused\n")


def written(form: LogFormat, level: LogLevel = "info") -> io.StringIO:
    stream = io.StringIO()
    set_up_logs(level, form, stream)
    return stream


def test_a_json_line_has_the_message_and_the_extra_fields() -> None:
    stream = written("json")
    logging.getLogger("fraudstream.stream").warning("fell %d behind", 5, extra={"partition": 3, "level": "not this"})
    line = json.loads(stream.getvalue())
    assert line["message"] == "fell 5 behind"
    assert (line["fraudstream.partition"], line["fraudstream.level"]) == (3, "not this")
    assert (line["log.level"], line["log.logger"], line["process.pid"]) == (
        "warning",
        "fraudstream.stream",
        os.getpid(),
    )
    assert line["@timestamp"].endswith("Z")
    assert "trace.id" not in line


def test_a_json_line_names_the_trace_that_it_belongs_to() -> None:
    stream = written("json")
    with working_for(CALLER):
        logging.getLogger("fraudstream.gateway").info("answered")
    line = json.loads(stream.getvalue())
    assert (line["trace.id"], line["span.id"]) == (CALLER.trace_id, CALLER.span_id)


def test_an_exception_stays_on_its_json_line() -> None:
    stream = written("json")
    try:
        raise ValueError("broken\nworld")
    except ValueError:
        logging.getLogger("fraudstream").exception("failed")
    (line,) = stream.getvalue().splitlines()
    fields = json.loads(line)
    assert (fields["error.type"], fields["error.message"]) == ("ValueError", "broken\nworld")
    assert "ValueError: broken\nworld" in fields["error.stack_trace"]


def test_a_text_line_has_date_and_time_and_names_the_logger(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = written("human")
    monkeypatch.setattr("time.time", lambda: 1_772_625_600.120)
    monkeypatch.setattr("time.time_ns", lambda: 1_772_625_600_120_000_000)
    logging.getLogger("fraudstream.stream.checkpoints.checkpoint").info("saved", extra={"rows": 7})
    assert stream.getvalue() == "2026-03-04T12:00:00.120Z INFO stream.checkpoints.checkpoint: saved (rows=7)\n"


@pytest.mark.parametrize(("level", "logged"), [("info", False), ("debug", True)])
def test_libraries_tell_what_they_do_at_debug_only(level: LogLevel, logged: bool) -> None:
    stream = written("human", level)
    logging.getLogger("aiokafka.consumer").info("joined group")
    assert ("joined group" in stream.getvalue()) is logged


def test_at_debug_our_own_details_are_logged_and_no_librarys() -> None:
    """aiokafka's hold passwords and payments."""
    stream = written("human", "debug")
    logging.getLogger("fraudstream.stream").debug("ours")
    for library in ("aiokafka.conn", "httpcore", "faust"):
        logging.getLogger(library).debug("Request to broker: password")
    assert [line.rpartition(" ")[2] for line in stream.getvalue().splitlines()] == ["ours"]
