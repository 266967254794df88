"""kafka-python: `kafka_python_client.py produce SERVERS TOPIC`, or `consume SERVERS TOPIC COUNT`."""

import sys
import uuid

import kafka  # type: ignore[import-not-found]  # installed by run.sh, in an environment of its own


def produce(servers: str, topic: str) -> None:
    """Publish the lines `key TAB value` of stdin. The default partitioner is Java's."""
    producer = kafka.KafkaProducer(bootstrap_servers=servers, acks="all")
    for line in sys.stdin:
        key, value = line.rstrip("\n").split("\t")
        producer.send(topic, value.encode(), key=key.encode()).get(10)
    producer.close()


def consume(servers: str, topic: str, count: str) -> None:
    """Print `count` values."""
    consumer = kafka.KafkaConsumer(
        topic, bootstrap_servers=servers, group_id=f"clients-{uuid.uuid4()}", auto_offset_reset="earliest"
    )
    for _ in range(int(count)):
        print(next(consumer).value.decode(), flush=True)
    consumer.close()


if __name__ == "__main__":
    if sys.argv[1] == "version":
        print(kafka.__version__)
    else:
        {"produce": produce, "consume": consume}[sys.argv[1]](*sys.argv[2:])
