"""Whole numbers and durations of a document that must lie between two bounds."""

from __future__ import annotations

from fraudstream.contracts.duration import UNITS_MS, parse_duration
from fraudstream.engine.document import Node


def read_whole(node: Node, what: str, least: int, most: int) -> int:
    """A whole number in [least, most]; `least` and a fault if it is not one."""
    value = node.number(what)
    if value != int(value) or not least <= value <= most:
        node.fault(f"{what} must be a whole number from {least} to {most}.")
        return least
    return int(value)


def read_duration(node: Node, what: str, least_ms: int, most_ms: int) -> int:
    """A duration in [least_ms, most_ms], in ms; `least_ms` and a fault if it is not one."""
    try:
        value = parse_duration(node.word(what))
    except ValueError as error:
        node.fault(f"{what}: {error}")
        return least_ms
    if not least_ms <= value <= most_ms:
        node.fault(f"{what} must be from {least_ms // UNITS_MS['m']}m to {most_ms // UNITS_MS['d']}d.")
        return least_ms
    return value
