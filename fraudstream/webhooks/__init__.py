"""Tells other systems by HTTP what became of cases, and of alerts: signed, retried, each endpoint by itself.

A record passes through `follower` (Kafka, one consumer for each endpoint), `events` (what a record means), `deliveries`
(order, retries, positions), `sender` (one POST, with `signature` and `addresses`), and `undelivered` (dead letters).
`endpoints` is the file that names where they go.
"""
