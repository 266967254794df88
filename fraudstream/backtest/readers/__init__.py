"""Readers of files with columns: bytes in, Arrow record batches and row numbers out."""
