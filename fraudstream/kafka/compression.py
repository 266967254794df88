"""The codecs of record batches. The default is gzip, the only one that every Kafka client reads without a package of
its own; `docs/clients.md` has the measurements.

aiokafka compresses gzip at level 9, which takes ten times as long as level 1 to save a tenth more. It has no setting
for that, so the function that it calls is replaced when gzip is first asked for.
"""

from __future__ import annotations

import importlib
import zlib
from functools import cache
from typing import Final, Literal

Codec = Literal["none", "gzip", "snappy", "lz4", "zstd"]
DEFAULT_CODEC: Final[Codec] = "gzip"

_ATTRIBUTES: Final[dict[Codec, int]] = {"none": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}
_GZIP_LEVEL: Final = 1
_GZIP_WINDOW: Final = 31  # a gzip header and trailer around zlib's data, as zlib's documentation says
_BUILDERS: Final = ("aiokafka.record._crecords.default_records", "aiokafka.record.default_records")


def compression_type(codec: Codec) -> str | None:
    """The codec as aiokafka's producer takes it."""
    _set_gzip_level()
    return None if codec == "none" else codec


def batch_attribute(codec: Codec) -> int:
    """The codec as the attributes of a record batch, and aiokafka's batch builder, take it: bits 0 to 2."""
    _set_gzip_level()
    return _ATTRIBUTES[codec]


@cache
def _set_gzip_level() -> None:
    for name in _BUILDERS:
        builder = importlib.import_module(name)
        assert hasattr(builder, "gzip_encode"), f"{name} has no gzip_encode: this is not the aiokafka that is pinned"
        builder.gzip_encode = _gzip  # type: ignore[attr-defined]


def _gzip(payload: bytes) -> bytes:
    return zlib.compress(payload, _GZIP_LEVEL, _GZIP_WINDOW)
