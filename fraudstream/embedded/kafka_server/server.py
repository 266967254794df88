"""Connections of the broker: each request is answered before the next one of its connection is read, as Kafka does."""

from __future__ import annotations

import asyncio
import logging
import struct
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from fraudstream.embedded.kafka_server import data_requests, group_requests, messages, topic_requests
from fraudstream.embedded.kafka_server.errors import Error
from fraudstream.embedded.kafka_server.messages import Api
from fraudstream.embedded.kafka_server.state import BrokerState, Request
from fraudstream.embedded.kafka_server.wire import NULLABLE_STRING, Reader, Values

REQUEST_BYTES_MAX: Final = 100 * 1024 * 1024  # as Kafka's socket.request.max.bytes
BUFFER_BYTES: Final = 1024 * 1024
_LENGTH: Final = struct.Struct(">i")
_HEADER: Final = struct.Struct(">hhi")

Handler = Callable[[BrokerState, Request, Values], Awaitable[Values | None]]
log = logging.getLogger(__name__)


async def _api_versions(broker: BrokerState, request: Request, values: Values) -> Values:
    """What is served. A client that begins with a newer version than ours gets error 35 in the form of version 0."""
    unknown = request.version > messages.API_VERSIONS.last
    return {
        "error_code": Error.UNSUPPORTED_VERSION if unknown else Error.NONE,
        "api_keys": [
            {"api_key": api.key, "min_version": api.first, "max_version": api.last} for api, _ in HANDLERS.values()
        ],
    }


def _handlers(*rows: tuple[Api, Handler]) -> Mapping[int, tuple[Api, Handler]]:
    return {api.key: (api, handler) for api, handler in rows}


HANDLERS: Final = _handlers(
    (messages.PRODUCE, data_requests.produce),
    (messages.FETCH, data_requests.fetch),
    (messages.LIST_OFFSETS, data_requests.list_offsets),
    (messages.METADATA, topic_requests.metadata),
    (messages.OFFSET_COMMIT, group_requests.offset_commit),
    (messages.OFFSET_FETCH, group_requests.offset_fetch),
    (messages.FIND_COORDINATOR, group_requests.find_coordinator),
    (messages.JOIN_GROUP, group_requests.join_group),
    (messages.HEARTBEAT, group_requests.heartbeat),
    (messages.LEAVE_GROUP, group_requests.leave_group),
    (messages.SYNC_GROUP, group_requests.sync_group),
    (messages.DESCRIBE_GROUPS, group_requests.describe_groups),
    (messages.LIST_GROUPS, group_requests.list_groups),
    (messages.API_VERSIONS, _api_versions),
    (messages.CREATE_TOPICS, topic_requests.create_topics),
    (messages.DELETE_TOPICS, topic_requests.delete_topics),
    (messages.DELETE_RECORDS, data_requests.delete_records),
    (messages.INIT_PRODUCER_ID, data_requests.init_producer_id),
    (messages.DESCRIBE_CONFIGS, topic_requests.describe_configs),
    (messages.DELETE_GROUPS, group_requests.delete_groups),
)


class _NotServed(Exception):
    """A request that cannot be answered; as with Kafka, its connection is closed."""


async def serve(broker: BrokerState) -> None:
    """Serve until cancelled. Raises `OSError` if the port is taken."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _Connection(broker, reader, writer).serve()

    server = await asyncio.start_server(connected, broker.host, broker.port, limit=BUFFER_BYTES, backlog=512)
    async with server:
        await server.serve_forever()


class _Connection:
    """One connection of a client."""

    def __init__(self, broker: BrokerState, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._broker, self._reader, self._writer = broker, reader, writer
        self._host = writer.get_extra_info("peername")[0]

    async def serve(self) -> None:
        """Answer requests until the client closes the connection or sends one that is not served."""
        try:
            while True:
                (length,) = _LENGTH.unpack(await self._reader.readexactly(_LENGTH.size))
                if not _HEADER.size <= length <= REQUEST_BYTES_MAX:
                    raise _NotServed(f"a request of {length} bytes")
                await self._answer(memoryview(await self._reader.readexactly(length)))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # closed by the client
        except _NotServed as fault:
            log.warning("connection of %s closed: %s", self._host, fault)
        finally:
            self._writer.close()

    async def _answer(self, frame: memoryview) -> None:
        key, version, correlation_id = _HEADER.unpack_from(frame)
        if key not in HANDLERS:
            raise _NotServed(f"request {key} is not served")
        api, handle = HANDLERS[key]
        request, body = self._header(api, version, frame)
        newer = version > api.last and api is messages.API_VERSIONS
        if not (api.first <= version <= api.last or newer):
            raise _NotServed(f"version {version} of request {key} is not served, {api.first} to {api.last} are")
        try:
            values = {} if newer else api.request.decode(body, version)
        except (struct.error, IndexError, UnicodeDecodeError) as error:
            raise _NotServed(f"request {key}, version {version}, cannot be decoded: {error}") from error
        response = await handle(self._broker, request, values)
        if response is not None:
            answer = api.response.encode(response, 0 if newer else version)
            # ApiVersions alone keeps the old header, as a client does not know yet what the broker speaks.
            tags = b"\0" if version >= api.response.flexible_from and api is not messages.API_VERSIONS else b""
            head = _LENGTH.pack(4 + len(tags) + len(answer)) + _LENGTH.pack(correlation_id) + tags
            self._writer.writelines((head, answer))
            await self._writer.drain()

    def _header(self, api: Api, version: int, frame: memoryview) -> tuple[Request, memoryview]:
        """The sender of the request, and the rest of the frame."""
        reader = Reader(frame[_HEADER.size :])
        client_id = NULLABLE_STRING.codec(0, False).read(reader)
        if version >= api.request.flexible_from:
            reader.skip_tagged_fields()
        return Request(version, client_id or "", self._host), reader.rest()
