"""Files of cases at the console: taken and given in pieces, few at a time, and cleaned up once a day.

Plain methods, without HTTP. What a case lists is decided by the case agent (`desk`); here are the bytes alone.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterable, Awaitable, Callable
from typing import Final

from aiokafka.errors import KafkaError

from fraudstream.contracts.error_text import error_text
from fraudstream.evidence.store import (
    EvidenceStore,
    FileTooLargeError,
    IncomingFile,
    StoredFile,
    StoreFailedError,
    TooSlowError,
)
from fraudstream.kafka.topic_reader import NoTopicError
from fraudstream.operations.errors import OperationError

TAKEN_AT_ONCE_MAX: Final = 8
GIVEN_AT_ONCE_MAX: Final = 4  # a file is read whole, to check its digest
TAKE_S_MAX: Final = 120.0
PIECE_BYTES: Final = 256 * 1024
FIRST_CLEAN_UP_S: Final = 600.0
CLEAN_UP_S: Final = 24 * 3600.0

log = logging.getLogger(__name__)


class EvidenceDesk:
    """Files in `store`, each of at most `bytes_max` bytes. Methods raise `StoreFailedError` if it cannot be used."""

    def __init__(self, store: EvidenceStore, bytes_max: int) -> None:
        self.bytes_max = bytes_max
        self._store = store
        self._taking = asyncio.Semaphore(TAKEN_AT_ONCE_MAX)
        self._giving = asyncio.Semaphore(GIVEN_AT_ONCE_MAX)

    async def take(self, pieces: AsyncIterable[bytes], announced_bytes: int | None = None) -> StoredFile:
        """Store a file; returns once it is durable. It is refused as soon as it is seen to be too large: at once, if
        `announced_bytes` says so. Raises `FileTooLargeError`, `EmptyFileError`, and `TooSlowError` after `TAKE_S_MAX`.
        """
        if announced_bytes is not None and announced_bytes > self.bytes_max:
            raise FileTooLargeError(self.bytes_max)
        try:
            async with asyncio.timeout(TAKE_S_MAX), self._taking:
                with self._store.incoming(self.bytes_max) as file:
                    await _written(file, pieces)
                    return await asyncio.to_thread(file.keep)
        except TimeoutError:
            raise TooSlowError(TAKE_S_MAX) from None
        except OSError as error:
            raise _failed(error) from error

    async def give(self, sha256: str) -> bytes:
        """The bytes of a file, which have this digest. Raises `NoFileError`, `DamagedFileError`."""
        try:
            async with self._giving:
                return await asyncio.to_thread(self._store.read, sha256)
        except OSError as error:
            raise _failed(error) from error


class EvidenceCleanUp:
    """Has files removed that no case lists, now and then. `remove`: does it, and returns how many there were."""

    def __init__(self, remove: Callable[[], Awaitable[int]]) -> None:
        self._remove = remove

    async def run(self) -> None:
        """Clean up until it is cancelled. What fails is logged, and tried again the next day."""
        await asyncio.sleep(FIRST_CLEAN_UP_S)
        while True:
            await self.clean_up()
            await asyncio.sleep(CLEAN_UP_S)

    async def clean_up(self) -> None:
        """Once, now."""
        try:
            removed = await self._remove()
        except (OperationError, KafkaError, NoTopicError, OSError) as error:
            log.error("files that no case lists were not removed: %s", error_text(error))
        else:
            if removed:
                log.info("removed %d files that no case lists", removed)


def _failed(error: OSError) -> StoreFailedError:
    log.error("the evidence store cannot be used: %s", error_text(error))
    return StoreFailedError(error_text(error))


async def _written(file: IncomingFile, pieces: AsyncIterable[bytes]) -> None:
    """Write all pieces, the small ones together."""
    waiting = bytearray()
    async for piece in pieces:
        waiting += piece
        if len(waiting) >= PIECE_BYTES:
            await asyncio.to_thread(file.write, bytes(waiting))
            waiting.clear()
    await asyncio.to_thread(file.write, bytes(waiting))
