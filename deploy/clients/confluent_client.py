"""confluent-kafka, on librdkafka: `confluent_client.py produce SERVERS TOPIC`, or `consume SERVERS TOPIC COUNT`."""

import sys
import uuid

import confluent_kafka  # type: ignore[import-not-found]  # installed by run.sh, in an environment of its own


def produce(servers: str, topic: str) -> None:
    """Publish the lines `key TAB value` of stdin, to the partitions that Java's clients choose."""
    failures: list[str] = []
    producer = confluent_kafka.Producer({"bootstrap.servers": servers, "partitioner": "murmur2_random", "acks": "all"})

    def delivered(error: object, record: object) -> None:
        if error is not None:
            failures.append(str(error))

    for line in sys.stdin:
        key, value = line.rstrip("\n").split("\t")
        producer.produce(
            topic, value, key=key, on_delivery=lambda error, _: failures.append(str(error)) if error else 0
        )
    if left := producer.flush(10):
        sys.exit(f"{left} records were not acknowledged")
    if failures:
        sys.exit(failures[0])


def consume(servers: str, topic: str, count: str) -> None:
    """Print `count` values."""
    group = {"group.id": f"clients-{uuid.uuid4()}", "auto.offset.reset": "earliest"}
    consumer = confluent_kafka.Consumer({"bootstrap.servers": servers} | group)
    consumer.subscribe([topic])
    left = int(count)
    while left:
        record = consumer.poll(1.0)
        if record is None:
            continue
        if record.error():
            sys.exit(str(record.error()))
        print(record.value().decode(), flush=True)
        left -= 1
    consumer.close()


if __name__ == "__main__":
    if sys.argv[1] == "version":
        print(f"{confluent_kafka.__version__} (librdkafka {confluent_kafka.libversion()[0]})")
    else:
        {"produce": produce, "consume": consume}[sys.argv[1]](*sys.argv[2:])
