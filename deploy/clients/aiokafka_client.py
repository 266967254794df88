"""aiokafka: `aiokafka_client.py produce SERVERS TOPIC`, or `consume SERVERS TOPIC COUNT`."""

import asyncio
import sys
import uuid

import aiokafka


async def produce(servers: str, topic: str) -> None:
    """Publish the lines `key TAB value` of stdin. The default partitioner is Java's."""
    async with aiokafka.AIOKafkaProducer(bootstrap_servers=servers, acks="all") as producer:
        for line in sys.stdin:
            key, value = line.rstrip("\n").split("\t")
            await producer.send_and_wait(topic, value.encode(), key=key.encode())


async def consume(servers: str, topic: str, count: str) -> None:
    """Print `count` values."""
    async with aiokafka.AIOKafkaConsumer(
        topic, bootstrap_servers=servers, group_id=f"clients-{uuid.uuid4()}", auto_offset_reset="earliest"
    ) as consumer:
        for _ in range(int(count)):
            record = await consumer.getone()
            print((record.value or b"").decode())


if __name__ == "__main__":
    if sys.argv[1] == "version":
        print(aiokafka.__version__)
    else:
        asyncio.run({"produce": produce, "consume": consume}[sys.argv[1]](*sys.argv[2:]))
