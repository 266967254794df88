"""What compiled code is made with: numba's decorators, the cache of machine code, memory primitives.

Pure, and imports nothing of ours, so that the engine and the Kafka record format can both use it.
"""
