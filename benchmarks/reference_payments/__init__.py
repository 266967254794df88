"""The payments of the published figures: a seeded generator that never changes.

Throughput, digests of alerts and chaos runs are compared over months, so their payments must not follow the
generator of `fraudstream generate`, which grows. `tests/unit/test_reference_payments.py` holds the bytes.
"""
