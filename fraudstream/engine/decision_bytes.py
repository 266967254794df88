"""Decisions written as JSON by compiled code, from texts that `decision_writer` prepares."""

from __future__ import annotations

from typing import Final, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from fraudstream.compiled.jit import entry_point, jit
from fraudstream.compiled.memory import PADDING, first_special
from fraudstream.compiled.packed import MISSING, Packed, pack
from fraudstream.compiled.writing import check_span, put_bytes, put_decimal

_Bytes: TypeAlias = npt.NDArray[np.uint8]
_Bools: TypeAlias = npt.NDArray[np.bool_]
_Int64s: TypeAlias = npt.NDArray[np.int64]

_QUOTE, _BACKSLASH, _SPACE, _BRACE_END, _POINT, _ZERO = 0x22, 0x5C, 0x20, 0x7D, 0x2E, 0x30
_EVENT, _ACCOUNT, _OCCURRED, _ALERT, _ALERT_END, _REPEAT, _LATE, _ALTERED, _MILLIONTHS = range(9)  # rows of `PIECES`
PIECES: Final = pack(
    (
        b'{"event_id":"',
        b'","account_id":"',
        b'","occurred_at_ms":',
        b',"alert_id":"',
        b'"',
        b',"repeat":true',
        b',"late":true',
        b',"altered":true',
        b"e-6",
    )
)
SCORE_MAX: Final = 1_000_000  # points of a score of 1
SCORE_DIGITS: Final = 6
ROW_BYTES_MAX: Final = int(PIECES.length.sum()) + 20 + 8 + 32 + 1  # beside identifiers and texts of the finding


class FindingTexts(NamedTuple):
    """Of each finding: the text before the score, the text after it, the bytes of both, and whether there is an alert;
    int64 and bool."""

    before: Packed
    after: Packed
    size: _Int64s
    alerts: _Bools


@entry_point
def room_for(events: Packed, accounts: Packed, finding: _Int64s, texts: FindingTexts) -> int:
    """Bytes that the decisions take, at most, and `PADDING` after them. `finding`: int64, shape (n,)."""
    room, n = PADDING, len(finding)
    if len(events.length) != n or len(accounts.length) != n:
        raise ValueError("the parts of the decisions differ in number")
    for i in range(n):
        if not 0 <= finding[i] < len(texts.size):
            raise ValueError("a finding is out of range")
        room += ROW_BYTES_MAX + texts.size[finding[i]] + events.length[i] + accounts.length[i]
    return room


@entry_point
def write_decisions(
    out: _Bytes,
    begins: _Int64s,
    lengths: _Int64s,
    events: Packed,
    accounts: Packed,
    occurred_at_ms: _Int64s,
    score: npt.NDArray[np.int32],
    finding: _Int64s,
    repeat: _Bools,
    late: _Bools,
    altered: _Bools,
    unmatched: npt.NDArray[np.uint64],
    texts: FindingTexts,
    alert_ids: Packed,
    shadow_points: npt.NDArray[np.int32],
    shadow_texts: Packed,
    pieces: Packed,
) -> int:
    """Write the decisions one after the other into `out`; `MISSING` as the length of one that msgspec has to encode.
    Returns how many are to be encoded.

    All arrays but the texts have shape (n,), as in `Verdicts`. `alert_ids`: of the decisions with an alert, in order.
    `shadow_points`: of the scores that decide nothing, shape (scores, n); `shadow_texts`: what is before each of them,
    and after the last.
    """
    n, at, alert, others = len(finding), 0, 0, 0
    for size in (len(begins), len(lengths), len(events.at), len(accounts.at), len(occurred_at_ms), len(score)):
        if size != n:
            raise ValueError("the parts of the decisions differ in number")
    for size in (len(repeat), len(late), len(altered), len(unmatched)):
        if size != n:
            raise ValueError("the parts of the decisions differ in number")
    if shadow_points.shape[1] != n or len(shadow_texts.at) != len(shadow_points) + 1:
        raise ValueError("the parts of the decisions differ in number")
    for i in range(n):
        for k in range(len(shadow_points)):
            if not 0 <= shadow_points[k, i] <= SCORE_MAX:
                raise ValueError("a shadow score is out of range")
        begins[i], kind, points = at, finding[i], score[i]
        if not (0 <= kind < len(texts.alerts) and 0 <= points <= SCORE_MAX):
            raise ValueError("a finding or a score is out of range")
        alert += texts.alerts[kind]
        plain = _is_plain(events, i) and _is_plain(accounts, i)
        if not plain or unmatched[i] != 0:
            lengths[i] = MISSING
            others += 1
            continue
        at = _put(out, at, pieces, _EVENT)
        at = _put(out, at, events, i)
        at = _put(out, at, pieces, _ACCOUNT)
        at = _put(out, at, accounts, i)
        at = _put(out, at, pieces, _OCCURRED)
        at = put_decimal(out, at, occurred_at_ms[i])
        at = _put(out, at, texts.before, kind)
        at = _put_score(out, at, points, pieces)
        at = _put(out, at, texts.after, kind)
        if texts.alerts[kind]:
            at = _put(out, at, pieces, _ALERT)
            at = _put(out, at, alert_ids, alert - 1)
            at = _put(out, at, pieces, _ALERT_END)
        if repeat[i]:
            at = _put(out, at, pieces, _REPEAT)
        if late[i]:
            at = _put(out, at, pieces, _LATE)
        if altered[i]:
            at = _put(out, at, pieces, _ALTERED)
        if len(shadow_points) and not repeat[i]:
            for k in range(len(shadow_points)):
                at = _put(out, at, shadow_texts, k)
                at = _put_score(out, at, shadow_points[k, i], pieces)
            at = _put(out, at, shadow_texts, len(shadow_points))
        out[at] = _BRACE_END
        at += 1
        lengths[i] = at - begins[i]
    return others


@jit
def _put(out: _Bytes, to: int, texts: Packed, row: int) -> int:
    return put_bytes(out, to, texts.buffer, texts.at[row], texts.length[row])


@jit
def _put_score(out: _Bytes, to: int, points: int, pieces: Packed) -> int:
    """Write points / SCORE_MAX as msgspec does: the shortest decimals, with an exponent below 0.00001."""
    if 0 < points < 10:
        out[to] = _ZERO + points
        return _put(out, to + 1, pieces, _MILLIONTHS)
    out[to], out[to + 1], rest = _ZERO + points // SCORE_MAX, _POINT, points % SCORE_MAX
    to, unit = to + 2, SCORE_MAX // 10
    out[to] = _ZERO + rest // unit
    to, rest, unit = to + 1, rest % unit, unit // 10
    while rest > 0:
        out[to] = _ZERO + rest // unit
        to, rest, unit = to + 1, rest % unit, unit // 10
    return to


@jit
def _is_plain(texts: Packed, row: int) -> bool:
    """Whether JSON has the text as it is: without a quote, a backslash and control characters below 0x20."""
    at, end = texts.at[row], texts.at[row] + texts.length[row]
    check_span(texts.buffer, at, texts.length[row])
    while at < end:
        at += first_special(texts.buffer, at)
        if at < end:
            byte = texts.buffer[at]
            if byte in (_QUOTE, _BACKSLASH) or byte < _SPACE:
                return False
            at += 1
    return True
