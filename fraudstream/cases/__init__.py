"""Groups the alerts of an account into cases: life cycle (pure), the agent on Kafka, the view in Redis.

An alert passes through `agent` (Kafka), `processor` (one partition), `store` (the partition's cases), `grouping` and
`lifecycle` (what a case becomes), `record` (a case as a record of the topic `cases`), `emission` (durable on Kafka) and
`view_writer` (the copy in Redis that `view` reads).
"""
