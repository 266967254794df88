"""Kafka's record batches, format version 2, read and written by compiled code: no Python object stands for a record.

Source: https://kafka.apache.org/documentation/#recordbatch
"""
