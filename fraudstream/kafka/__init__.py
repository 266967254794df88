"""Access to Kafka: broker settings, the topic reader, codecs, connection diagnosis, permissions, outages."""

from fraudstream.kafka.brokers import Brokers, BrokersError

__all__ = ["Brokers", "BrokersError"]
