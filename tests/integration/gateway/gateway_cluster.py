"""Gateways on the topics of a test, as processes, and a client of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

import httpx
import msgspec

from fraudstream.operations.apply_topics import apply_topics
from fraudstream.stream.topics.file import Topic
from tests.brokers import SelectedBroker
from tests.integration.stream.cluster import StreamCluster
from tests.integration.stream.process import ChildProcess
from tests.integration.stream.stage_chain import FOUR_STAGES

REPLY_PARTITIONS = 4
LONG = {"Deadline-Ms": "10000"}
_ADDRESS = re.compile(r"gateway at (https?://\S+),")


class GatewayCluster:
    """`stream`: the topics and workers. `replies`: the topic of replies."""

    def __init__(self, stream: StreamCluster, replies: str) -> None:
        self.replies = replies
        self.stream = stream
        stream.settings = msgspec.structs.replace(stream.settings, reply_topics=(replies,))
        self._started: list[ChildProcess] = []

    async def create_topics(self) -> None:
        """Create those of the workers, and that of the replies."""
        await self.stream.create_topics()
        await apply_topics(self.stream.brokers, [Topic(self.replies, REPLY_PARTITIONS, 1, {})])

    def worker(self, name: str, other: Mapping[str, str] | None = None) -> ChildProcess:
        """`fraudstream worker` as a child process."""
        process = self.stream.start_process(name, {"topics.replies": self.replies, **(other or {})})
        self._started.append(process)
        return process

    def start(self, name: str, other: Mapping[str, str] | None = None) -> ChildProcess:
        """`fraudstream gateway` as a child process, with this name as its instance; see `url_of`."""
        given = {
            "topics.replies": self.replies,
            "gateway.port": "0",
            "gateway.instance": name,
            "metrics.gateway_port": "0",
            **(other or {}),
        }
        process = self.stream.start_command(name, ["gateway"], given)
        self._started.append(process)
        return process

    async def url_of(self, gateway: ChildProcess, times: int = 1) -> str:
        """The address of a gateway, once it serves. `times`: how often one with its log has been started."""
        await gateway.logs("gateway at ", times)
        return str(_ADDRESS.findall(gateway.log.read_text())[-1])

    def close(self) -> None:
        """Kill what runs."""
        for process in self._started:
            process.kill()


async def gateway_cluster(
    selected_broker: SelectedBroker, unique_name: Callable[[str], str], directory: Path, *, chain: bool = False
) -> GatewayCluster:
    """The topics of one stage, or of a chain of four, created."""
    partitions = {"": 1, "account": 4, "device": 2, "merchant": 1, "counterparty": 2}
    stream = StreamCluster(
        selected_broker.servers,
        unique_name,
        directory,
        selected_broker.is_kafka,
        **({"rules": FOUR_STAGES, "partitions": partitions} if chain else {}),  # type: ignore[arg-type]
    )
    cluster = GatewayCluster(stream, unique_name("replies"))
    await cluster.create_topics()
    return cluster


async def post(client: httpx.AsyncClient, url: str, body: bytes, headers: Mapping[str, str] = LONG) -> httpx.Response:
    """POST /v1/decisions."""
    sent = {"content-type": "application/json", **headers}
    return await client.post(f"{url}/v1/decisions", content=body, headers=sent, timeout=30)
