"""Explains a verdict: replays the log up to one payment, decides it again, and compares the result with what was
sent."""
