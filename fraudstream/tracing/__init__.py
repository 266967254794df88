"""The trace that a payment belongs to: its W3C context, and how the parts of the program record spans in it.

Nothing here knows an SDK. `fraudstream.telemetry.traces` implements `ports.Tracer` with OpenTelemetry; `cli` passes it.
"""
