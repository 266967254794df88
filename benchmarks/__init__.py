"""Throughput, latency, changelog volume and state size, measured on this machine. `fraudstream bench` runs them.

Absolute figures vary with the machine and its load; ratios to the floor, measured in the same run, vary less.
"""
