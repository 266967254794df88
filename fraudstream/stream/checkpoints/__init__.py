"""The durable copy of a state: its changelog, who may write it, and how it is restored."""
