"""The codecs of record batches. The default is gzip, the only one that every Kafka client reads without a package of
its own; `docs/clients.md` has the measurements.

All of them at the levels that cost least: aiokafka compresses gzip and lz4 at level 9, which takes ten times as long as
level 1 to save a tenth. It has no setting for that, so the functions that it calls are replaced when a codec is first
asked for.
"""

from __future__ import annotations

import importlib
import zlib
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final, Literal

import cramjam

_gzip_library: Any
try:
    from isal import isal_zlib as _gzip_library
except ImportError:  # there is no wheel for this processor: zlib writes the same format in five times the time
    _gzip_library = zlib

Codec = Literal["none", "gzip", "snappy", "lz4", "zstd"]
DEFAULT_CODEC: Final[Codec] = "gzip"
Payload = bytes | memoryview

_ATTRIBUTES: Final[dict[Codec, int]] = {"none": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}
_FASTEST: Final = 1
_GZIP_WINDOW: Final = 31  # a gzip header and trailer around zlib's data, as zlib's documentation says
_ZSTD_LEVEL: Final = 1
_BUILDERS: Final = ("aiokafka.record._crecords.default_records", "aiokafka.record.default_records")

# The codecs that let other threads run while they compress.
RELEASES_LOCK: Final[frozenset[Codec]] = frozenset({"gzip", "snappy", "zstd"})


def compression_type(codec: Codec) -> str | None:
    """The codec as aiokafka's producer takes it."""
    _set_levels()
    return None if codec == "none" else codec


def batch_attribute(codec: Codec) -> int:
    """The codec as the attributes of a record batch, and aiokafka's batch builder, take it: bits 0 to 2."""
    _set_levels()
    return _ATTRIBUTES[codec]


def compress(codec: Codec, payload: Payload) -> bytes:
    """`payload` in the codec, as Kafka's record batches have it."""
    return _ENCODERS[codec](payload)


@cache
def _set_levels() -> None:
    for name in _BUILDERS:
        builder: Any = importlib.import_module(name)
        for function, encode in (("gzip_encode", _gzip), ("lz4_encode", _lz4)):
            assert hasattr(builder, function), f"{name} has no {function}: this is not the aiokafka that is pinned"
            setattr(builder, function, encode)


def _gzip(payload: Payload) -> bytes:
    packed: bytes = _gzip_library.compress(payload, _FASTEST, _GZIP_WINDOW)
    return packed


def _snappy(payload: Payload) -> bytes:
    packed: bytes = _aiokafka_codecs().snappy_encode(payload)
    return packed


def _lz4(payload: Payload) -> bytes:
    packed: bytes = _aiokafka_codecs().lz4_encode(bytes(payload), _FASTEST)  # its compressor takes bytes alone
    return packed


def _aiokafka_codecs() -> Any:
    """Imported when it is needed: commands that only name codecs must start quickly."""
    return importlib.import_module("aiokafka.codec")


def _zstd(payload: Payload) -> bytes:
    return bytes(cramjam.zstd.compress(payload, level=_ZSTD_LEVEL))


_ENCODERS: Final[Mapping[Codec, Callable[[Payload], bytes]]] = {
    "none": bytes,
    "gzip": _gzip,
    "snappy": _snappy,
    "lz4": _lz4,
    "zstd": _zstd,
}
