"""A Kafka broker (`kafka_server`) and a Redis from a Python wheel: for demos and tests, on this machine only.

They keep everything in RAM, listen on the loopback address alone, and die with the process that started them.
"""

from fraudstream.embedded.broker import embedded_broker
from fraudstream.embedded.redis import embedded_redis
from fraudstream.embedded.server import EmbeddedError

__all__ = ["EmbeddedError", "embedded_broker", "embedded_redis"]
