"""Runs the log again up to one payment, to show why it was alerted or was not, and whether that is what was sent."""
