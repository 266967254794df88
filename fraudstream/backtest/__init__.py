"""Replay of payment files: mappings, evaluation against labels, the test cases of rules."""
