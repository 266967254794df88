"""Memories saved to files, with their place in the log, and brought back."""
