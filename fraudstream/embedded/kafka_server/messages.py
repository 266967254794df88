"""The requests and responses that are served, as https://kafka.apache.org/protocol declares them.

Each request lists the versions that are served. The last ones before the flexible versions do for all clients, with
two exceptions: ApiVersions, with which a client begins, and Metadata, whose flexible versions have topic ids.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from fraudstream.embedded.kafka_server.wire import (
    BOOLEAN,
    BYTES,
    INT8,
    INT16,
    INT32,
    INT64,
    NULLABLE_STRING,
    RECORDS,
    STRING,
    UUID,
    Array,
    Message,
)

_THROTTLE: Final = ("throttle_time_ms", INT32)
_ERROR: Final = ("error_code", INT16)


class Api(NamedTuple):
    """One kind of request: its number, the versions served, and both messages."""

    key: int
    first: int
    last: int
    request: Message
    response: Message


PRODUCE: Final = Api(
    0, 3, 8,
    Message(
        ("transactional_id", NULLABLE_STRING),
        ("acks", INT16),
        ("timeout_ms", INT32),
        ("topics", Array(("name", STRING), ("partitions", Array(("index", INT32), ("records", RECORDS))))),
    ),
    Message(
        ("topics", Array(
            ("name", STRING),
            ("partitions", Array(
                ("index", INT32), _ERROR, ("base_offset", INT64), ("log_append_time_ms", INT64),
                ("log_start_offset", INT64, 5), ("record_errors", Array(("batch_index", INT32)), 8),
                ("error_message", NULLABLE_STRING, 8),
            )),
        )),
        _THROTTLE,
    ),
)  # fmt: skip
FETCH: Final = Api(
    1, 4, 11,
    Message(
        ("replica_id", INT32), ("max_wait_ms", INT32), ("min_bytes", INT32), ("max_bytes", INT32),
        ("isolation_level", INT8), ("session_id", INT32, 7), ("session_epoch", INT32, 7),
        ("topics", Array(
            ("name", STRING),
            ("partitions", Array(
                ("index", INT32), ("current_leader_epoch", INT32, 9), ("fetch_offset", INT64),
                ("log_start_offset", INT64, 5), ("partition_max_bytes", INT32),
            )),
        )),
        ("forgotten_topics", Array(("name", STRING), ("partitions", Array(INT32))), 7),
        ("rack_id", STRING, 11),
    ),
    Message(
        _THROTTLE, ("error_code", INT16, 7), ("session_id", INT32, 7),
        ("topics", Array(
            ("name", STRING),
            ("partitions", Array(
                ("index", INT32), _ERROR, ("high_watermark", INT64), ("last_stable_offset", INT64),
                ("log_start_offset", INT64, 5),
                ("aborted_transactions", Array(("producer_id", INT64), ("first_offset", INT64))),
                ("preferred_read_replica", INT32, 11), ("records", RECORDS),
            )),
        )),
    ),
)  # fmt: skip
LIST_OFFSETS: Final = Api(
    2, 1, 5,
    Message(
        ("replica_id", INT32), ("isolation_level", INT8, 2),
        ("topics", Array(
            ("name", STRING),
            ("partitions", Array(("index", INT32), ("current_leader_epoch", INT32, 4), ("timestamp", INT64))),
        )),
    ),
    Message(
        ("throttle_time_ms", INT32, 2),
        ("topics", Array(
            ("name", STRING),
            ("partitions", Array(
                ("index", INT32), _ERROR, ("timestamp", INT64), ("offset", INT64), ("leader_epoch", INT32, 4),
            )),
        )),
    ),
)  # fmt: skip
METADATA: Final = Api(
    3, 0, 12,
    Message(
        ("topics", Array(("topic_id", UUID, 10), ("name", NULLABLE_STRING))),
        ("allow_auto_topic_creation", BOOLEAN, 4),
        ("include_cluster_authorized_operations", BOOLEAN, 8, 10),
        ("include_topic_authorized_operations", BOOLEAN, 8),
        flexible_from=9,
    ),
    Message(
        ("throttle_time_ms", INT32, 3),
        ("brokers", Array(("node_id", INT32), ("host", STRING), ("port", INT32), ("rack", NULLABLE_STRING, 1))),
        ("cluster_id", NULLABLE_STRING, 2),
        ("controller_id", INT32, 1),
        ("topics", Array(
            _ERROR, ("name", NULLABLE_STRING), ("topic_id", UUID, 10), ("is_internal", BOOLEAN, 1),
            ("partitions", Array(
                _ERROR, ("index", INT32), ("leader_id", INT32), ("leader_epoch", INT32, 7),
                ("replicas", Array(INT32)), ("isr", Array(INT32)), ("offline_replicas", Array(INT32), 5),
            )),
            ("authorized_operations", INT32, 8),
        )),
        ("cluster_authorized_operations", INT32, 8, 10),
        flexible_from=9,
    ),
)  # fmt: skip
OFFSET_COMMIT: Final = Api(
    8, 2, 7,
    Message(
        ("group_id", STRING), ("generation_id", INT32), ("member_id", STRING), ("instance_id", NULLABLE_STRING, 7),
        ("retention_time_ms", INT64, 2, 4),
        ("topics", Array(
            ("name", STRING),
            ("partitions", Array(
                ("index", INT32), ("committed_offset", INT64), ("leader_epoch", INT32, 6),
                ("metadata", NULLABLE_STRING),
            )),
        )),
    ),
    Message(
        ("throttle_time_ms", INT32, 3),
        ("topics", Array(("name", STRING), ("partitions", Array(("index", INT32), _ERROR)))),
    ),
)  # fmt: skip
OFFSET_FETCH: Final = Api(
    9, 1, 5,
    Message(("group_id", STRING), ("topics", Array(("name", STRING), ("partitions", Array(INT32))))),
    Message(
        ("throttle_time_ms", INT32, 3),
        ("topics", Array(
            ("name", STRING),
            ("partitions", Array(
                ("index", INT32), ("committed_offset", INT64), ("leader_epoch", INT32, 5),
                ("metadata", NULLABLE_STRING), _ERROR,
            )),
        )),
        ("error_code", INT16, 2),
    ),
)  # fmt: skip
FIND_COORDINATOR: Final = Api(
    10, 0, 2,
    Message(("key", STRING), ("key_type", INT8, 1)),
    Message(
        ("throttle_time_ms", INT32, 1), _ERROR, ("error_message", NULLABLE_STRING, 1),
        ("node_id", INT32), ("host", STRING), ("port", INT32),
    ),
)  # fmt: skip
JOIN_GROUP: Final = Api(
    11, 0, 5,
    Message(
        ("group_id", STRING), ("session_timeout_ms", INT32), ("rebalance_timeout_ms", INT32, 1),
        ("member_id", STRING), ("instance_id", NULLABLE_STRING, 5), ("protocol_type", STRING),
        ("protocols", Array(("name", STRING), ("metadata", BYTES))),
    ),
    Message(
        ("throttle_time_ms", INT32, 2), _ERROR, ("generation_id", INT32), ("protocol_name", STRING),
        ("leader", STRING), ("member_id", STRING),
        ("members", Array(("member_id", STRING), ("instance_id", NULLABLE_STRING, 5), ("metadata", BYTES))),
    ),
)  # fmt: skip
HEARTBEAT: Final = Api(
    12, 0, 3,
    Message(
        ("group_id", STRING), ("generation_id", INT32), ("member_id", STRING), ("instance_id", NULLABLE_STRING, 3)
    ),
    Message(("throttle_time_ms", INT32, 1), _ERROR),
)  # fmt: skip
LEAVE_GROUP: Final = Api(
    13, 0, 3,
    Message(
        ("group_id", STRING), ("member_id", STRING, 0, 2),
        ("members", Array(("member_id", STRING), ("instance_id", NULLABLE_STRING)), 3),
    ),
    Message(
        ("throttle_time_ms", INT32, 1), _ERROR,
        ("members", Array(("member_id", STRING), ("instance_id", NULLABLE_STRING), _ERROR), 3),
    ),
)  # fmt: skip
SYNC_GROUP: Final = Api(
    14, 0, 3,
    Message(
        ("group_id", STRING), ("generation_id", INT32), ("member_id", STRING), ("instance_id", NULLABLE_STRING, 3),
        ("assignments", Array(("member_id", STRING), ("assignment", BYTES))),
    ),
    Message(("throttle_time_ms", INT32, 1), _ERROR, ("assignment", BYTES)),
)  # fmt: skip
DESCRIBE_GROUPS: Final = Api(
    15, 0, 4,
    Message(("groups", Array(STRING)), ("include_authorized_operations", BOOLEAN, 3)),
    Message(
        ("throttle_time_ms", INT32, 1),
        ("groups", Array(
            _ERROR, ("group_id", STRING), ("group_state", STRING), ("protocol_type", STRING), ("protocol_data", STRING),
            ("members", Array(
                ("member_id", STRING), ("instance_id", NULLABLE_STRING, 4), ("client_id", STRING),
                ("client_host", STRING), ("metadata", BYTES), ("assignment", BYTES),
            )),
            ("authorized_operations", INT32, 3),
        )),
    ),
)  # fmt: skip
LIST_GROUPS: Final = Api(
    16, 0, 2,
    Message(),
    Message(
        ("throttle_time_ms", INT32, 1), _ERROR, ("groups", Array(("group_id", STRING), ("protocol_type", STRING)))
    ),
)  # fmt: skip
API_VERSIONS: Final = Api(
    18, 0, 4,
    Message(
        ("client_software_name", STRING, 3), ("client_software_version", STRING, 3), flexible_from=3
    ),
    Message(
        _ERROR, ("api_keys", Array(("api_key", INT16), ("min_version", INT16), ("max_version", INT16))),
        ("throttle_time_ms", INT32, 1), flexible_from=3,
    ),
)  # fmt: skip
CREATE_TOPICS: Final = Api(
    19, 0, 4,
    Message(
        ("topics", Array(
            ("name", STRING), ("num_partitions", INT32), ("replication_factor", INT16),
            ("assignments", Array(("index", INT32), ("broker_ids", Array(INT32)))),
            ("configs", Array(("name", STRING), ("value", NULLABLE_STRING))),
        )),
        ("timeout_ms", INT32), ("validate_only", BOOLEAN, 1),
    ),
    Message(
        ("throttle_time_ms", INT32, 2),
        ("topics", Array(("name", STRING), _ERROR, ("error_message", NULLABLE_STRING, 1))),
    ),
)  # fmt: skip
DELETE_TOPICS: Final = Api(
    20, 0, 3,
    Message(("names", Array(STRING)), ("timeout_ms", INT32)),
    Message(("throttle_time_ms", INT32, 1), ("topics", Array(("name", STRING), _ERROR))),
)  # fmt: skip
DELETE_RECORDS: Final = Api(
    21, 0, 1,
    Message(
        ("topics", Array(("name", STRING), ("partitions", Array(("index", INT32), ("offset", INT64))))),
        ("timeout_ms", INT32),
    ),
    Message(
        _THROTTLE,
        ("topics", Array(
            ("name", STRING), ("partitions", Array(("index", INT32), ("low_watermark", INT64), _ERROR)),
        )),
    ),
)  # fmt: skip
INIT_PRODUCER_ID: Final = Api(
    22, 0, 1,
    Message(("transactional_id", NULLABLE_STRING), ("transaction_timeout_ms", INT32)),
    Message(_THROTTLE, _ERROR, ("producer_id", INT64), ("producer_epoch", INT16)),
)  # fmt: skip
DESCRIBE_CONFIGS: Final = Api(
    32, 0, 2,
    Message(
        ("resources", Array(
            ("resource_type", INT8), ("resource_name", STRING), ("configuration_keys", Array(STRING)),
        )),
        ("include_synonyms", BOOLEAN, 1),
    ),
    Message(
        _THROTTLE,
        ("resources", Array(
            _ERROR, ("error_message", NULLABLE_STRING), ("resource_type", INT8), ("resource_name", STRING),
            ("configs", Array(
                ("name", STRING), ("value", NULLABLE_STRING), ("read_only", BOOLEAN), ("is_default", BOOLEAN, 0, 0),
                ("config_source", INT8, 1), ("is_sensitive", BOOLEAN),
                ("synonyms", Array(("name", STRING), ("value", NULLABLE_STRING), ("source", INT8)), 1),
            )),
        )),
    ),
)  # fmt: skip
DELETE_GROUPS: Final = Api(
    42, 0, 1,
    Message(("groups", Array(STRING))),
    Message(_THROTTLE, ("results", Array(("group_id", STRING), _ERROR))),
)  # fmt: skip
