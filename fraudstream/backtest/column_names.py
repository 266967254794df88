"""Finds the columns that a mapping names among those of a file.

A name is the header's text without blanks around it, in Unicode's composed form (`ö`, not `o` and two dots). Where
columns share a name, `Account#2` is the second of them. `#3` is the third column, whatever its name.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from fraudstream.contracts.nearest_name import nearest

_BLANKS = " \t\r\n\u00a0\u202f\u2007\ufeff\u200b"
_NTH = re.compile(r"(.*)#(\d{1,5})", re.DOTALL)
_NAMES_SHOWN = 40


class FoundColumns(NamedTuple):
    """`positions`: from 0, by the name in the mapping. `fault`: why some are not there, as a sentence without the
    file's name; None if all are."""

    positions: dict[str, int]
    fault: str | None


def find_columns(wanted: Iterable[str], names: Sequence[str], mapping: str) -> FoundColumns:
    """The positions of the columns `wanted` by `mapping` among those of a file.

    >>> find_columns(["Account#2", "#1"], ["Time", "Account", "Account "], "m").positions
    {'Account#2': 2, '#1': 0}
    """
    plain = [_plain(name) for name in names]
    positions: dict[str, int] = {}
    missing: list[str] = []
    for name in wanted:
        at = _positions_of(_plain(name), plain)
        if len(at) > 1:
            return FoundColumns({}, _ambiguous(name, at, names))
        if at:
            positions[name] = at[0]
        else:
            missing.append(name)
    return FoundColumns(positions, _missing(missing, plain, mapping) if missing else None)


def _plain(name: str) -> str:
    return unicodedata.normalize("NFC", name.strip(_BLANKS))


def _positions_of(name: str, plain: list[str]) -> list[int]:
    """Every position that `name` may mean."""
    at = [position for position, found in enumerate(plain) if found == name and name]
    nth = _NTH.fullmatch(name)
    if nth is None:
        return at
    base, number = nth[1].strip(_BLANKS), int(nth[2])
    same = [position for position, found in enumerate(plain) if not base or found == base]
    if 1 <= number <= len(same) and same[number - 1] not in at:
        at.append(same[number - 1])
    return at


def _ambiguous(name: str, at: list[int], names: Sequence[str]) -> str:
    places = ", ".join(f"column {position + 1} ({names[position]!r})" for position in at)
    explicit = " or ".join(f"'{name}#{number}'" for number in range(1, len(at) + 1))
    if any(names[position].strip(_BLANKS) != name for position in at):
        explicit = " or ".join(f"'#{position + 1}'" for position in at)
    return f"has {len(at)} columns that {name!r} may mean: {places}. Name one of them in the mapping: {explicit}."


def _missing(missing: list[str], plain: list[str], mapping: str) -> str:
    if not any(plain):
        wanted = ", ".join(map(repr, missing))
        return (
            f"has {len(plain)} columns without names, but the mapping {mapping!r} reads {wanted}. "
            "Name them in the mapping (`file: {columns: [first, second, …]}`), or by position ('#1')."
        )
    shown = ", ".join(plain[:_NAMES_SHOWN]) + (", …" if len(plain) > _NAMES_SHOWN else "")
    hint = nearest(missing[0], plain) if len(missing) == 1 else ""
    folded = {name.casefold(): name for name in plain}
    if (other := folded.get(missing[0].casefold())) is not None:
        hint = f" It has {other!r}: capital and small letters differ."
    return f"has no column {', '.join(map(repr, missing))}, which the mapping {mapping!r} reads.{hint} It has {shown}."
