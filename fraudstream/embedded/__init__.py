"""A broker and a Redis that start from wheels: for demos and tests, on this machine only.

They keep everything in memory, listen on the loopback address alone, and never outlive the process that started them.
"""

from fraudstream.embedded.broker import embedded_broker
from fraudstream.embedded.child import EmbeddedError
from fraudstream.embedded.redis import embedded_redis

__all__ = ["EmbeddedError", "embedded_broker", "embedded_redis"]
