"""Log formats: one line for each event on stderr, as text or as JSON, with the caller's `extra` as fields."""

import json
import logging
import os
import re
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final, Literal, TextIO

from aiokafka.errors import KafkaError

from fraudstream.tracing.current import current_context

LogFormat = Literal["human", "json"]
LogLevel = Literal["debug", "info", "warning", "error"]
ECS_VERSION: Final = "8.11.0"

# Attributes of every record; all others came through `extra`.
STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName", "color_message"}

# Libraries that log at INFO what is debugging here.
QUIET: Iterable[str] = ("aiokafka", "faust", "mode", "kafka", "opentelemetry")
OWN: Final = "fraudstream"


REPEAT_INTERVAL_S = 10.0
MESSAGES_KEPT = 1_000  # distinct messages that are remembered
_NUMBERED: Final = re.compile(r"\[Errno (\d+)\] (Connect call failed \([^)]*\))?")  # as Python and asyncio write errors


def set_up_logs(level: LogLevel = "info", form: LogFormat = "human", stream: TextIO | None = None) -> None:
    """Send all logs of this process to `stream` (default: stderr), replacing earlier handlers. Call it once, at the
    start.

    `level` is of our own logs. The libraries of `QUIET` log from warnings on and through `RepeatFilter`, or with
    "debug" from INFO on. No library logs at DEBUG: there aiokafka writes out each request and response, which hold the
    password of SASL PLAIN, payments, and the identifier secret in `controls`.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonLines() if form == "json" else Human())
    if level != "debug":
        handler.addFilter(RepeatFilter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    own = logging.getLevelNamesMapping()[level.upper()]
    root.setLevel(max(own, logging.INFO))
    logging.getLogger(OWN).setLevel(own)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.INFO if level == "debug" else max(own, logging.WARNING))
    logging.captureWarnings(True)


def _extra(record: logging.LogRecord) -> dict[str, object]:
    return {name: value for name, value in record.__dict__.items() if name not in STANDARD}


def _at(record: logging.LogRecord) -> str:
    """When the record was made, in RFC 3339, UTC, to the millisecond."""
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class RepeatFilter(logging.Filter):
    """Passes a library's repeated message, whatever its values, once in `REPEAT_INTERVAL_S`, with a count of the
    others, and removes numbers and tracebacks of Kafka and network errors. Our own messages always pass."""

    def __init__(self) -> None:
        super().__init__()
        self._passed: dict[tuple[str, str], tuple[float, int]] = {}  # by logger and message: when, and how many since

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is logged; changes its message."""
        if record.name.partition(".")[0] not in QUIET:
            return True
        key = (record.name, str(record.msg))
        passed_at, more = self._passed.get(key, (-REPEAT_INTERVAL_S, 0))
        if record.created - passed_at < REPEAT_INTERVAL_S:
            self._passed[key] = (passed_at, more + 1)
            return False
        if len(self._passed) >= MESSAGES_KEPT:
            self._passed.clear()
        self._passed[key] = (record.created, 0)
        message = record.getMessage()
        if record.exc_info and isinstance(record.exc_info[1], (KafkaError, OSError, TimeoutError)):
            error = record.exc_info[1]
            message, record.exc_info = f"{message}: {str(error) or type(error).__name__}", None
        message = _NUMBERED.sub(lambda found: os.strerror(int(found[1])) if found[2] else "", message)
        record.msg, record.args = f"{message} (and {more:,} more like it)" if more else message, None
        return True


class JsonLines(logging.Formatter):
    """One JSON object a line, with the field names of the Elastic Common Schema (ECS): `@timestamp` (RFC 3339),
    `log.level`, `message`, `log.logger`, `process.pid`; `trace.id` and `span.id` where the line belongs to a trace;
    `error.type`, `error.message` and `error.stack_trace` of an exception. The caller's extra fields are
    `fraudstream.…`."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line."""
        fields: dict[str, object] = {
            "@timestamp": _at(record),
            "log.level": record.levelname.lower(),
            "message": record.getMessage(),
            "ecs.version": ECS_VERSION,
            "log.logger": record.name,
            "process.pid": record.process,
        }
        if (context := current_context()) is not None:
            fields |= {"trace.id": context.trace_id, "span.id": context.span_id}
        fields |= {f"fraudstream.{name}": value for name, value in _extra(record).items()}
        if record.exc_info and (error := record.exc_info[1]) is not None:
            fields |= {
                "error.type": type(error).__name__,
                "error.message": str(error),
                "error.stack_trace": self.formatException(record.exc_info),
            }
        return json.dumps(fields, ensure_ascii=False, default=str)


class Human(logging.Formatter):
    """`2026-03-04T12:30:05.123Z WARNING stream.app: message (name=value ...)`, with a traceback below."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as text."""
        extra = " ".join(f"{name}={value}" for name, value in _extra(record).items())
        lines = [
            f"{_at(record)} {record.levelname} "
            f"{record.name.removeprefix('fraudstream.')}: {record.getMessage()}{f' ({extra})' if extra else ''}"
        ]
        if record.exc_info:
            lines.append(self.formatException(record.exc_info))
        return "\n".join(lines)
