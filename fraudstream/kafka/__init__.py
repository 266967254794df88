"""Access to Kafka: broker settings, the topic reader, connection diagnosis, permissions, outages and offset gaps."""

from fraudstream.kafka.brokers import Brokers, BrokersError

__all__ = ["Brokers", "BrokersError"]
