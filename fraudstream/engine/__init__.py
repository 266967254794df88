"""Events in, verdicts out. No I/O, no clock, no Kafka; the same code runs in the stream, in replay and in rule tests.

The path of a batch: `decode` (bytes to events) → `columns` (events to arrays) → `partition_state`, `arena`, `kernel`
(the state of each entity, and its features) → `rules`, `scorer` (evaluation, vectorised) → `verdict` (decisions and
alerts). `engine` joins them, `apply` starts from records, and `log` also applies the controls among them.
"""
