"""Seeded made-up payments with labelled fraud."""
