"""The state of the broker, and constants that its responses share."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Final, NamedTuple

from fraudstream.embedded.kafka_server.groups import Groups
from fraudstream.embedded.kafka_server.topics import Topics

NODE_ID: Final = 1
ALL_ALLOWED: Final = -(2**31)  # authorized operations that were not asked for


class BrokerState(NamedTuple):
    """`host` and `port`: where clients find the broker."""

    cluster_id: str
    host: str
    port: int
    topics: Topics
    groups: Groups
    producer_ids: Iterator[int]


def new_state(cluster_id: str, host: str, port: int) -> BrokerState:
    """An empty broker."""
    return BrokerState(cluster_id, host, port, Topics(), Groups(), itertools.count(1))


class Request(NamedTuple):
    """The version of a request, and who sent it."""

    version: int
    client_id: str
    client_host: str
