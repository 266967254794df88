"""The commands of `fraudstream` with named points at which they can kill themselves, and an adjustable clock.

    python -m benchmarks.chaos.fault_points ORDERS worker --set ...

The product has no such hooks: the steps of a checkpoint are wrapped before the command starts. ORDERS is a file that
contains `Orders`; it is read at start and on SIGUSR1. When the point is reached for the `nth` time the process kills
itself with SIGKILL; the order is removed first, so that it happens once.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import msgspec

COMMIT_IN_FLIGHT_S: Final = 0.002  # the request is sent, the response has not arrived

# In the order in which a worker reaches them.
WORKER_POINTS: Final = (
    "before-fencing",
    "after-fencing",
    "in-recovery",  # part of the changelog was read
    "before-opening",  # recovered, first checkpoint not yet written
    "after-opening",
    "after-apply",  # the state has the batch, its outputs are with the producer
    "after-copy",  # step 1: rows no longer marked as changed, nothing written
    "after-acknowledgements",  # 2
    "after-begin",  # step 3: an empty transaction
    "after-rows",  # step 3: a batch sent
    "before-commit",  # step 3: all batches acknowledged
    "in-commit",  # step 3: committed on the broker, not yet known to the worker
    "after-commit",  # step 3: durable, position not yet recorded
    "before-group-commit",  # 4
    "after-group-commit",
)
ASSIGNMENT_POINTS: Final = WORKER_POINTS[:5]
TRANSACTION_POINTS: Final = ("after-begin", "before-commit", "in-commit", "after-commit")  # only on Kafka
CASES_POINTS: Final = ("after-begin", "after-rows", "before-commit", "in-commit", "after-commit")
COMMAND_POINT: Final = "after-send"  # of commands that change rules or lists: a record was given to the producer


class Orders(msgspec.Struct, frozen=True):
    """`point`: where to die, the `nth` time it is reached from now. `clock_s`: offset of the wall clock, in seconds."""

    point: str | None = None
    nth: int = 1
    clock_s: float = 0.0

    def write(self, path: Path) -> None:
        """Write atomically, because the file may be read at any time."""
        part = path.with_suffix(".part")
        part.write_bytes(msgspec.json.encode(self))
        part.replace(path)


class _Ordered:
    """The current orders, and how often the point must still be reached."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._true_time = time.time
        self.read()
        signal.signal(signal.SIGUSR1, lambda *_: self.read())
        time.time = self.now  # before other imports, which may copy the function

    def now(self) -> float:
        return self._true_time() + self.orders.clock_s

    def read(self) -> None:
        self.orders = Orders()
        with contextlib.suppress(FileNotFoundError):
            self.orders = msgspec.json.decode(self._path.read_bytes(), type=Orders)
        self._left = self.orders.nth

    def passing(self, point: str) -> None:
        if point != self.orders.point:
            return
        self._left -= 1
        if self._left <= 0:
            Orders(clock_s=self.orders.clock_s).write(self._path)
            os.kill(os.getpid(), signal.SIGKILL)


def _wrap(owner: type, name: str, before: Callable[..., None] | None, after: Callable[..., None] | None) -> None:
    """Wrap a coroutine method: call `before` and `after` with the object around it."""
    method: Callable[..., Awaitable[Any]] = getattr(owner, name)

    async def wrapped(self: Any, *args: Any, **kwargs: Any) -> Any:
        if before is not None:
            before(self)
        result = await method(self, *args, **kwargs)
        if after is not None:
            after(self)
        return result

    setattr(owner, name, wrapped)


def _wrap_call(owner: type, name: str, after: Callable[[], None]) -> None:
    """Wrap a plain method: call `after` once it returned."""
    method: Callable[..., Any] = getattr(owner, name)

    def wrapped(self: Any, *args: Any, **kwargs: Any) -> Any:
        result = method(self, *args, **kwargs)
        after()
        return result

    setattr(owner, name, wrapped)


def _writes_checkpoints(producer: Any) -> bool:
    """Whether the producer writes checkpoints: a transactional id on Kafka, its client id on the embedded broker."""
    transactions = producer._txn_manager
    if transactions is not None and transactions.transactional_id is not None:
        return True
    return str(producer.client._client_id).endswith("-checkpoint")


def _wrap_producer(ordered: _Ordered) -> None:
    from aiokafka import AIOKafkaProducer

    def passing(point: str) -> Callable[[Any], None]:
        return lambda producer: ordered.passing(point) if _writes_checkpoints(producer) else None

    _wrap(AIOKafkaProducer, "send", None, lambda _: ordered.passing(COMMAND_POINT))
    _wrap(AIOKafkaProducer, "begin_transaction", None, passing("after-begin"))
    _wrap(AIOKafkaProducer, "send_batch", None, passing("after-rows"))
    commit = AIOKafkaProducer.commit_transaction

    async def commit_transaction(self: Any) -> None:
        ordered.passing("before-commit")
        committing = asyncio.ensure_future(commit(self))
        if ordered.orders.point == "in-commit":
            await asyncio.sleep(COMMIT_IN_FLIGHT_S)
            ordered.passing("in-commit")
        await committing
        ordered.passing("after-commit")

    AIOKafkaProducer.commit_transaction = commit_transaction


def _wrap_worker(ordered: _Ordered) -> None:
    from fraudstream.stream.checkpoints.changelog import ChangelogRestorer
    from fraudstream.stream.checkpoints.checkpoint import Checkpoints
    from fraudstream.stream.faust.changelog_writers import BatchWriter, TransactionWriter
    from fraudstream.stream.partition import Partition
    from fraudstream.stream.process import BatchProcessor

    def passing(point: str) -> Callable[..., None]:
        return lambda *_: ordered.passing(point)

    for writer in (TransactionWriter, BatchWriter):
        _wrap(writer, "fence", passing("before-fencing"), passing("after-fencing"))
        _wrap(writer, "write", passing("after-acknowledgements"), None)
    _wrap(Checkpoints, "open", passing("before-opening"), passing("after-opening"))
    _wrap(Checkpoints, "commit_group", passing("before-group-commit"), passing("after-group-commit"))
    _wrap(BatchProcessor, "_apply", None, passing("after-apply"))
    _wrap_call(ChangelogRestorer, "feed", passing("in-recovery"))
    _wrap_call(Partition, "take_pending", passing("after-copy"))


def main(arguments: list[str]) -> int:
    """Run a command with fault points. `arguments`: path of the orders, then those of `fraudstream`."""
    ordered = _Ordered(Path(arguments[0]))
    _wrap_producer(ordered)
    _wrap_worker(ordered)
    from fraudstream.cli.main import main as fraudstream

    return fraudstream(arguments[1:])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
