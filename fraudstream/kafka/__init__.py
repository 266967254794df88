"""How Kafka is reached: where it is, how it lets us in, and why it does not."""

from fraudstream.kafka.brokers import Brokers, BrokersError

__all__ = ["Brokers", "BrokersError"]
