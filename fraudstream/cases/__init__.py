"""Alerts of one account, worked as one case: grouping and life cycle (pure), the agent on Kafka, the view in Redis.

The way of an alert: `grouping` and `lifecycle` say what a case becomes, `store` holds the cases of one partition,
`record` writes a case as a record of the topic `cases`, `agent` runs them on Kafka, `view` keeps a copy in Redis for
reading.
"""
