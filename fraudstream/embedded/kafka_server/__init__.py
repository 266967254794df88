"""The process of the embedded broker: one Kafka broker in plain Python that keeps everything in RAM.

It serves the requests of Kafka's public protocol that producers, consumers, consumer groups and topic administration
need, so that any Kafka client works with it. A fetch waits for data and is answered as soon as there is some; its cost
does not depend on how much a topic holds. Not served: transactions, compaction, retention, security, a second broker.

    wire            primitive types and messages of the protocol
    messages        every request and response that is served, with its versions
    partition_log   the record batches of one partition
    topics          topics, their partitions and configs
    groups          consumer groups: members, generations, committed offsets
    *_requests      what is answered to each request
    server          connections
"""
