"""The model artefact: one file of MessagePack with trees, inputs, calibration, threshold and card.

It is addressed by the digest of its bytes (`contracts.artefact`), and equal models have equal bytes. Everything in it
is checked when it is read, so that a damaged or forged file is refused before compiled code follows its indices.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec
import numpy as np
from msgspec import Meta

from fraudstream.contracts.undecodable import UNDECODABLE
from fraudstream.engine.arrays import BoolArray
from fraudstream.engine.trees.calibration import MILLION, Calibration, check_calibration
from fraudstream.engine.trees.ensemble import INPUTS_MAX, EnsembleError, Trees, check_trees

InputType = Literal["NUMBER", "MONEY", "DURATION", "BOOL"]


class ModelError(ValueError):
    """Bytes that are no model of this release, or an ensemble that can't be one."""


class ModelInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A value that a model reads: a field, an attribute, a feature or the score, by its name in rules.

    `definition`: what the name meant where the model was trained, as `inputs.definition_of` writes it.
    """

    name: Annotated[str, Meta(min_length=1, max_length=200)]
    type: InputType
    definition: str


@dataclass(frozen=True)
class Model:
    """A model that was checked. `trees` compare `inputs` by their number; money in major units, durations in ms.

    `threshold_millionths`: the probability from which a payment is alerted. `card`: what the model was made from, and
    for; plain data.
    """

    inputs: tuple[ModelInput, ...]
    trees: Trees
    calibration: Calibration
    threshold_millionths: int
    card: dict[str, Any]


class _StoredTrees(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The arrays of `Trees` as little-endian bytes."""

    root: bytes
    feature: bytes
    threshold: bytes
    left: bytes
    right: bytes
    missing_left: bytes
    value: bytes


class _Stored(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The content of the file."""

    format: Literal["fraudstream-model"]
    version: Literal[1]
    inputs: Annotated[tuple[ModelInput, ...], Meta(min_length=1, max_length=INPUTS_MAX)]
    trees: _StoredTrees
    knot: bytes
    millionths: bytes
    threshold_millionths: Annotated[int, Meta(ge=1, le=MILLION)]
    card: dict[str, Any]


_TREE_DTYPES = {
    "root": "<i4",
    "feature": "<i4",
    "threshold": "<f8",
    "left": "<i4",
    "right": "<i4",
    "missing_left": "|u1",
    "value": "<i8",
}


def encode_model(model: Model) -> bytes:
    """The bytes of a model's file. Raises `ModelError` for a model that `read_model` would refuse."""
    arrays = {name: getattr(model.trees, name).astype(dtype).tobytes() for name, dtype in _TREE_DTYPES.items()}
    stored = _Stored(
        format="fraudstream-model",
        version=1,
        inputs=model.inputs,
        trees=_StoredTrees(**arrays),
        knot=model.calibration.knot.astype("<i8").tobytes(),
        millionths=model.calibration.millionths.astype("<i8").tobytes(),
        threshold_millionths=model.threshold_millionths,
        card=model.card,
    )
    content = msgspec.msgpack.encode(stored)
    read_model(content)
    return content


def read_model(content: bytes) -> Model:
    """The model of a file's bytes, checked. Raises `ModelError`."""
    try:
        stored = msgspec.msgpack.decode(content, type=_Stored)
        trees = _trees(stored.trees)
        table = Calibration(_array(stored.knot, "<i8", "knot"), _array(stored.millionths, "<i8", "millionths"))
        check_trees(trees, len(stored.inputs))
        check_calibration(table)
        for given in stored.inputs:
            msgspec.json.decode(given.definition, type=dict[str, Any])
    except UNDECODABLE as error:
        raise ModelError(f"not a model of this release: {error}.") from None
    except EnsembleError as error:
        raise ModelError(f"not a sound model: {error}") from None
    names = [given.name for given in stored.inputs]
    if len(set(names)) < len(names):
        raise ModelError("not a sound model: it names an input twice.")
    return Model(stored.inputs, trees, table, stored.threshold_millionths, stored.card)


def _trees(stored: _StoredTrees) -> Trees:
    arrays = {name: _array(getattr(stored, name), dtype, name) for name, dtype in _TREE_DTYPES.items()}
    flags = arrays["missing_left"]
    if (flags > 1).any():
        raise EnsembleError("'missing_left' must be 0 or 1.")
    missing_left: BoolArray = flags.astype(np.bool_)
    return Trees(**(arrays | {"missing_left": missing_left}))


def _array(content: bytes, dtype: str, name: str) -> Any:
    """The numbers of an array in the byte order of this machine."""
    width = np.dtype(dtype).itemsize
    if len(content) % width:
        raise EnsembleError(f"'{name}' has {len(content)} bytes: not a multiple of {width}.")
    return np.frombuffer(content, dtype).astype(np.dtype(dtype).newbyteorder("="))
