"""Replay of payment files: readers, mappings, evaluation against labels, the test cases of rules."""
