"""The decisions of a batch as JSON: the bytes that msgspec makes of each `Decision`, written by compiled code.

Outcome, rules and rule set are the same for all decisions with one finding, so their text is made once. A decision
whose text needs escapes, or that names entities in `unmatched`, is encoded by msgspec.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np

from fraudstream.compiled.direct import Direct
from fraudstream.compiled.memory import PADDING
from fraudstream.compiled.packed import MISSING, Packed, join, pack
from fraudstream.engine.alert_id import DIGEST_BYTES, alert_digest, id_end
from fraudstream.engine.arrays import Int32Array, Int64Array
from fraudstream.engine.decision_bytes import PIECES, SCORE_DIGITS, SCORE_MAX, FindingTexts, room_for, write_decisions
from fraudstream.engine.partition_state import Finding
from fraudstream.engine.scorer import POINTS_MAX
from fraudstream.engine.verdict import Verdicts

_ID_BYTES: Final = 2 * DIGEST_BYTES  # of an alert id in hex
_encode = msgspec.json.Encoder().encode


class DecisionWriter:
    """Writes decisions. It keeps the texts of the findings of one partition, which grow in number."""

    def __init__(self) -> None:
        self._findings: Sequence[Finding] = ()
        self._texts = _texts_of(())
        self._id_ends: list[bytes] = []  # what is hashed after an event_id

    def values(self, verdicts: Verdicts) -> Packed:
        """The decision on each payment, in order, as JSON."""
        texts, finding = self._texts_of(verdicts), verdicts.finding
        events, accounts = verdicts.event_ids.read_only(), verdicts.account_ids.read_only()
        shadow_points, shadow_texts, n = _shadow_points(verdicts), _shadow_texts(verdicts), verdicts.n
        room_of_shadows = int(shadow_texts.length.sum()) + (SCORE_DIGITS + 2) * len(shadow_points)
        buffer = np.empty(_room_for(events, accounts, finding, texts) + n * room_of_shadows, np.uint8)
        at, length = np.empty(n, np.int64), np.empty(n, np.int64)
        others = _write(
            buffer,
            at,
            length,
            events,
            accounts,
            verdicts.occurred_at_ms,
            verdicts.score_points,
            finding,
            verdicts.repeat,
            verdicts.late,
            verdicts.altered,
            verdicts.unmatched,
            texts,
            self._alert_ids(verdicts, events, texts),
            shadow_points,
            shadow_texts,
            PIECES,
        )
        values = Packed(buffer, at, length)
        return _replaced(values, np.flatnonzero(length == MISSING), verdicts) if others else values

    def _texts_of(self, verdicts: Verdicts) -> FindingTexts:
        if verdicts.findings is not self._findings or len(verdicts.findings) != len(self._texts.alerts):
            self._findings = verdicts.findings
            self._texts = _texts_of(self._findings)
            self._id_ends = [id_end(verdicts.stage, found.rule_set) for found in self._findings]
        return self._texts

    def _alert_ids(self, verdicts: Verdicts, events: Packed, texts: FindingTexts) -> Packed:
        """Those of the decisions with an alert, in order, as `alert_id` makes them."""
        finding = verdicts.finding
        rows = np.flatnonzero(texts.alerts[finding])
        if not len(rows):
            return _NONE
        digests = verdicts.alert_digests
        if verdicts.repeat[rows].any():  # those that are no repeats are alerted
            hashed = zip(events.rows(rows).present(), finding[rows].tolist(), strict=True)
            digests = [alert_digest(event, self._id_ends[kind]) for event, kind in hashed]
        assert len(digests) == len(rows), f"{len(digests)} ids of {len(rows)} alerts"
        buffer = np.frombuffer(b"".join(digests).hex().encode() + bytes(PADDING), np.uint8)
        return Packed(buffer, np.arange(len(rows)) * _ID_BYTES, np.full(len(rows), _ID_BYTES, np.int64))


def _shadow_points(verdicts: Verdicts) -> Int32Array:
    """The points of the scores that decide nothing: int32, shape (scores, n)."""
    found: Int32Array = np.empty((len(verdicts.shadow_points), verdicts.n), np.int32)
    for row, points in zip(found, verdicts.shadow_points.values(), strict=True):
        row[:] = points
    return found


def _shadow_texts(verdicts: Verdicts) -> Packed:
    """What is before each score that decides nothing, and after the last of them."""
    names = [_encode(name) + b":" for name in verdicts.shadow_points]
    return pack([*(b"," + name if k else b',"shadow_scores":{' + name for k, name in enumerate(names)), b"}"])


def _replaced(values: Packed, rows: Int64Array, verdicts: Verdicts) -> Packed:
    """`values` with those of some rows encoded by msgspec."""
    encoded = pack(_encode(decision) for decision in verdicts.decisions(rows))
    joined, chosen = join([values, encoded]), np.arange(len(values.at))
    chosen[rows] = np.arange(len(rows)) + len(values.at)
    return joined.rows(chosen)


def _texts_of(findings: Sequence[Finding]) -> FindingTexts:
    before = pack(b',"outcome":"%b","score":' % finding.outcome.encode() for finding in findings)
    after = pack(map(_after_score, findings))
    return FindingTexts(
        before,
        after,
        before.length + after.length,
        np.array([finding.outcome != "allow" for finding in findings], np.bool_),
    )


def _after_score(finding: Finding) -> bytes:
    text = b',"rule_set":' + _encode(finding.rule_set)
    for name, rules in ((b"rules", finding.rules), (b"shadow_rules", finding.shadow_rules)):
        if rules:
            text += b',"%b":%b' % (name, _encode(rules))
    return text


_NONE: Final = pack(())
assert POINTS_MAX == SCORE_MAX, "scores are written with other decimals than they have"
_room_for, _write = Direct(room_for), Direct(write_decisions)
