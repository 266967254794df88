"""Who may write a partition's changelog, and how: the two ways to make a checkpoint one unit, and their limits.

Mode `transaction`, for Apache Kafka: a transactional id for each (app, partition). Starting its producer fences the
previous owner and aborts the transaction that it left open, which is why it comes before recovery reads the changelog.
One transaction is one checkpoint.

Mode `batch`, for the embedded broker, which has no transactions: one record batch is one checkpoint, or
several batches of which the last holds the checkpoint record. It begins an epoch of its own, and readers ignore what a
previous owner writes from there on (`changelog`). The previous owner detects it when it rejoins its group and reads
further.

The writers themselves are in `fraudstream.stream.faust.changelog_writers`; their port is `ports.ChangelogWriter`.
"""

from __future__ import annotations

from typing import Final

from fraudstream.kafka.compression import Codec

BATCH_BYTES_MAX: Final = 900_000  # below Kafka's default message.max.bytes of 1,048,588
WRITE_S_MAX: Final = 30.0  # a checkpoint that takes longer has failed: the worker exits
TRANSACTION_TIMEOUT_MS: Final = 60_000  # the broker's own limit, in case the worker dies within a transaction
FENCE_S_MAX: Final = 60.0
COMPRESSION: Final[Codec] = "zstd"  # the client's lz4 uses level 9, which takes nine times as long to save as much
