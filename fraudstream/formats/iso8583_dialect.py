"""Dialects of ISO 8583: how each data element is encoded. A YAML file that says how it differs from a base.

    title: The switch of our acquirer
    base: ascii                  # ascii, or binary: digits in ASCII, bitmaps in bytes
    header_bytes: 0              # before the message type, skipped
    elements:
      43: {encoding: cp037}
      55: {encoding: binary, length_bytes: 2, length_encoding: bcd, length_counts: bytes, bytes_max: 999}
      127: {length_bytes: 6}

An element is the number of a data element, `t` (the message type), `p` (the first bitmap) or `1` (the second).
"""

from __future__ import annotations

import codecs
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Final, Literal, NamedTuple

import msgspec
from iso8583.specs import default, default_ascii

from fraudstream.contracts.error_text import system_error_text
from fraudstream.contracts.nearest_name import nearest
from fraudstream.engine.document import DocumentErrors, read_content

_SHIPPED: Final = ("ascii", "binary", "bcd")
_BASES: Final = {"ascii": default_ascii, "binary": default}
_BINARY: Final = "b"
_Count = Annotated[int, msgspec.Meta(ge=0, le=99_999)]


class ElementLayout(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How an element is encoded; what is not given is as in the base. `encoding`: binary, or that of text (ascii,
    cp037). `length_bytes`: of the length before it; 0: its length is `bytes_max`. `length_counts`: bytes, or digits of
    half a byte, of which an odd number is padded by `left_pad` or `right_pad`. `digits`: how many count, from the
    right, where a packed number has a digit more."""

    encoding: str | None = None
    length_encoding: str | None = None
    length_bytes: Annotated[int, msgspec.Meta(ge=0, le=6)] | None = None
    length_counts: Literal["bytes", "digits"] | None = None
    bytes_max: _Count | None = None
    left_pad: str | None = None
    right_pad: str | None = None
    digits: _Count | None = None


class DialectFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The content of a dialect's file."""

    title: str
    base: Literal["ascii", "binary"]
    header_bytes: Annotated[int, msgspec.Meta(ge=0, le=1024)] = 0
    elements: dict[str, ElementLayout] = {}


class Dialect(NamedTuple):
    """`spec`: as pyiso8583 takes it. `digits`: how many characters of an element count, from the right."""

    name: str
    spec: dict[str, dict[str, Any]]
    digits: dict[str, int]


def read_dialect(name_or_path: str) -> Dialect:
    """The shipped dialect of this name, or that of a .yaml file. Raises `ValueError` with a sentence."""
    if not name_or_path.endswith((".yaml", ".yml")):
        if name_or_path not in _SHIPPED:
            raise ValueError(
                f"dialect {name_or_path!r} is not known.{nearest(name_or_path, _SHIPPED)} There are "
                f"{', '.join(_SHIPPED)}; or give a .yaml file."
            )
        shipped = files("fraudstream.formats").joinpath("dialects", f"{name_or_path}.yaml")
        return parse_dialect(shipped.read_text(encoding="utf-8"), name_or_path)
    try:
        text = Path(name_or_path).read_text(encoding="utf-8")
    except OSError as error:
        raise ValueError(f"dialect {name_or_path}: can't be read: {system_error_text(error)}.") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"dialect {name_or_path}: is not text in UTF-8.") from error
    return parse_dialect(text, name_or_path)


def parse_dialect(text: str, path: str) -> Dialect:
    """The dialect in a YAML text; `path` names it in errors. Raises `ValueError` with a sentence."""
    try:
        content = read_content(text, path)
        dialect = msgspec.convert(content, DialectFile, strict=False)
    except DocumentErrors as errors:
        raise ValueError(f"dialect {path}: line {errors.faults[0].line}: {errors.faults[0].sentence}") from errors
    except msgspec.ValidationError as error:
        raise ValueError(f"dialect {path}: {error}.") from error
    spec = {element: dict(layout) for element, layout in _BASES[dialect.base].items()}
    spec["h"] |= {"data_enc": _BINARY, "len_type": 0, "max_len": dialect.header_bytes}
    digits = {}
    for element, layout in dialect.elements.items():
        if element not in spec:
            raise ValueError(f"dialect {path}: there is no element {element!r}: write a number from 1 to 128, t or p.")
        spec[element] |= _spec_of(layout, f"dialect {path}, element {element}")
        if layout.digits is not None:
            digits[element] = layout.digits
    return Dialect(path, spec, digits)


def _spec_of(layout: ElementLayout, place: str) -> dict[str, Any]:
    """What differs from the base, as pyiso8583 takes it. Raises `ValueError`."""
    counts = {"bytes": "bytes", "digits": "nibbles", None: None}[layout.length_counts]
    spec = {
        "data_enc": _encoding(layout.encoding, place),
        "len_enc": "bcd" if layout.length_encoding == "bcd" else _encoding(layout.length_encoding, place),
        "len_type": layout.length_bytes,
        "len_count": counts,
        "max_len": layout.bytes_max,
        "left_pad": layout.left_pad,
        "right_pad": layout.right_pad,
    }
    return {name: value for name, value in spec.items() if value is not None}


def _encoding(name: str | None, place: str) -> str | None:
    if name is None or name == "binary":
        return None if name is None else _BINARY
    try:
        codecs.lookup(name)
    except LookupError:
        raise ValueError(
            f"{place}: encoding {name!r} is not known; there are binary, ascii, cp037 and others."
        ) from None
    return name
