"""Metrics, health and logs of a process: Prometheus metrics, `/healthz` and `/readyz`, log formats."""
