"""fraudstream: watches payments as they happen and says which ones are fraud, and why."""

__version__ = "0.1.0"
