"""The audit log: its chains of records, its writer, its reader, and the proof that nothing in it was changed."""
