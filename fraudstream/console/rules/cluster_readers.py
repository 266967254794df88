"""Reads the rules in force, and the artefacts of rule sets, from the cluster of `stream`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from aiokafka.errors import KafkaError

from fraudstream.console.rules.library import ReadArtefacts, ReadInForce
from fraudstream.engine.document import DocumentErrors
from fraudstream.operations.cluster_access import cluster_error
from fraudstream.operations.errors import OperationError
from fraudstream.operations.rules_in_force import InForce, artefacts_of, read_in_force
from fraudstream.stream.settings import StreamSettings


def rules_reader(stream: StreamSettings) -> ReadInForce:
    """Reads what is in force."""

    async def read(before: InForce | None) -> InForce:
        async with _readable(stream):
            return await read_in_force(stream, before)

    return read


def artefact_reader(stream: StreamSettings) -> ReadArtefacts:
    """Reads the artefacts that files of rules name."""

    async def read(files: Mapping[str, str]) -> Mapping[str, bytes]:
        async with _readable(stream):
            return await artefacts_of(stream, files)

    return read


@asynccontextmanager
async def _readable(stream: StreamSettings) -> AsyncIterator[None]:
    """What reading rules raises, as `OperationError`."""
    try:
        yield
    except DocumentErrors as errors:
        raise OperationError(f"This release cannot read them: {errors}") from errors
    except (KafkaError, ConnectionError, TimeoutError) as error:
        raise await cluster_error(stream.brokers, error) from error
