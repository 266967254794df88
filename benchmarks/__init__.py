"""Throughput, latency, changelog volume and state size, measured on this machine. `fraudstream bench` runs them.

Absolute figures move with the machine and its load; ratios to the floor, taken in the same run, hold better.
"""
