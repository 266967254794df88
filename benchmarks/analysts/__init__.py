"""Analysts at work, many at a time, while alerts come in: see `__main__`."""
