"""Logs: one line an event on stderr, for people or as JSON, with what the caller passed in `extra` as fields."""

import json
import logging
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Literal, TextIO

from aiokafka.errors import KafkaError

FeatureCodec = Literal["human", "json"]

# What every record has; whatever else stands in it came through `extra`.
STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName", "color_message"}

# Third parties say at INFO what we would call debugging.
QUIET: Iterable[str] = ("aiokafka", "faust", "mode", "kafka")


SELDOM_S = 10.0
SELDOM_KEPT = 1_000  # messages that are told apart


def set_up_logs(level: str = "INFO", form: FeatureCodec = "human", stream: TextIO | None = None) -> None:
    """Send all logs of this process to `stream` (stderr), replacing what was set up before. Call it once, at the start.

    Libraries are heard from WARNING on and `Seldom`, unless `level` is DEBUG.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonLines() if form == "json" else Human())
    if level != "DEBUG":
        handler.addFilter(Seldom())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in QUIET:
        logging.getLogger(name).setLevel(
            logging.NOTSET if root.level == logging.DEBUG else max(root.level, logging.WARNING)
        )
    logging.captureWarnings(True)


def _extra(record: logging.LogRecord) -> dict[str, object]:
    return {name: value for name, value in record.__dict__.items() if name not in STANDARD}


def _at(record: logging.LogRecord) -> datetime:
    return datetime.fromtimestamp(record.created, UTC)


class Seldom(logging.Filter):
    """Of what a library says again and again, with other values or the same, one line in `SELDOM_S`, which counts the
    rest; and of what is wrong with Kafka the words without the trace. Nothing of ours is touched."""

    def __init__(self) -> None:
        super().__init__()
        self._said: dict[tuple[str, str], tuple[float, int]] = {}  # by logger and message: when, and how many since

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name.partition(".")[0] not in QUIET:
            return True
        key = (record.name, str(record.msg))
        said_at, more = self._said.get(key, (-SELDOM_S, 0))
        if record.created - said_at < SELDOM_S:
            self._said[key] = (said_at, more + 1)
            return False
        if len(self._said) >= SELDOM_KEPT:
            self._said.clear()
        self._said[key] = (record.created, 0)
        message = record.getMessage()
        if record.exc_info and isinstance(record.exc_info[1], (KafkaError, OSError, TimeoutError)):
            message, record.exc_info = f"{message}: {record.exc_info[1]!r}", None
        record.msg, record.args = f"{message} (and {more:,} more like it)" if more else message, None
        return True


class JsonLines(logging.Formatter):
    """One JSON object a line: at (RFC 3339), level, pid, logger, message, the extra fields, `exception` with its
    trace."""

    def format(self, record: logging.LogRecord) -> str:
        fields: dict[str, object] = {
            "at": _at(record).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "pid": record.process,
            "logger": record.name,
            "message": record.getMessage(),
        }
        fields |= {name: value for name, value in _extra(record).items() if name not in fields}
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        return json.dumps(fields, ensure_ascii=False, default=str)


class Human(logging.Formatter):
    """`12:30:05.123 WARNING stream.app: message (name=value ...)`, UTC, with the trace below."""

    def format(self, record: logging.LogRecord) -> str:
        extra = " ".join(f"{name}={value}" for name, value in _extra(record).items())
        lines = [
            f"{_at(record):%H:%M:%S}.{int(record.msecs):03d} {record.levelname} "
            f"{record.name.removeprefix('fraudstream.')}: {record.getMessage()}{f' ({extra})' if extra else ''}"
        ]
        if record.exc_info:
            lines.append(self.formatException(record.exc_info))
        return "\n".join(lines)
