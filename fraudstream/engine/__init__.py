"""The pure heart: columns in, verdicts out. No I/O, no clock, no Kafka; the same code runs in the stream, in replay and
in rule tests.

The way of a batch: `decode` (bytes to events) → `columns` (events to arrays) → `state`, `arena`, `kernel` (each
entity's past, and every feature in its light) → `rules`, `score` (judgement, vectorised) → `verdict` (what was found,
as decisions and alerts). `engine` joins them.
"""
