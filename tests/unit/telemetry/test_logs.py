"""What a line of the log says, to a person and to a machine."""

import io
import json
import logging
from collections.abc import Iterator

import pytest

from fraudstream.telemetry.logs import QUIET, Form, set_up_logs


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.NOTSET)
    logging.captureWarnings(False)


def written(form: Form, level: str = "INFO") -> io.StringIO:
    stream = io.StringIO()
    set_up_logs(level, form, stream)
    return stream


def test_a_json_line_carries_the_message_and_the_extra_fields() -> None:
    stream = written("json")
    logging.getLogger("fraudstream.stream").warning("fell %d behind", 5, extra={"partition": 3, "level": "not this"})
    line = json.loads(stream.getvalue())
    assert line["message"] == "fell 5 behind"
    assert line["partition"] == 3
    assert line["level"] == "warning"
    assert line["at"].endswith("Z")


def test_an_exception_stays_on_its_json_line() -> None:
    stream = written("json")
    try:
        raise ValueError("broken\nworld")
    except ValueError:
        logging.getLogger("fraudstream").exception("failed")
    (line,) = stream.getvalue().splitlines()
    assert "ValueError: broken\nworld" in json.loads(line)["exception"]


def test_a_human_line_is_short_and_names_the_part() -> None:
    stream = written("human")
    logging.getLogger("fraudstream.stream.checkpoint").info("saved", extra={"rows": 7})
    assert stream.getvalue()[12:] == " INFO stream.checkpoint: saved (rows=7)\n"


@pytest.mark.parametrize(("level", "heard"), [("INFO", False), ("DEBUG", True)])
def test_libraries_are_heard_at_debug_only(level: str, heard: bool) -> None:
    stream = written("human", level)
    logging.getLogger("aiokafka.consumer").info("joined group")
    assert ("joined group" in stream.getvalue()) is heard
