"""Supervision of child processes: start, wait until ready, restart with back-off, stop in order, kill after a time
limit, stop signals, and the end of all children with their parent."""
