"""Decisions that compiled code writes are, to the byte, what msgspec makes of the same decisions as objects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fraudstream.compiled.packed import Packed, pack
from fraudstream.contracts.payment import Payment
from fraudstream.engine.alert_id import alert_digest, id_end
from fraudstream.engine.decision_writer import DecisionWriter
from fraudstream.engine.engine import Engine
from fraudstream.engine.frame_columns import FrameColumns
from fraudstream.engine.partition_state import Finding
from fraudstream.engine.scorer import POINTS_MAX
from fraudstream.engine.verdict import Verdicts
from tests.property.payment_logs import Log, logs
from tests.property.rule_sets import ENGINES

ODD = ('"', "\\", "\n", "\x00", "\x1f", "\x7f", "\x80", "é", "\u2028", "𐀀", "/", "<")
TIMES = st.integers(-(2**62), 2**62) | st.integers(0, 2 * 10**12)

texts = st.text(st.sampled_from([*ODD, *"abcdefghij"]) | st.characters(exclude_categories=["Cs"]), max_size=70)
names = st.lists(texts, max_size=3).map(tuple)
findings = st.builds(Finding, texts, st.sampled_from(("review", "block")), names, names) | st.builds(
    Finding, texts, st.just("allow"), st.just(()), names
)
Row = tuple[str, str, int, int, bool, bool, bool, int]  # ids, time, points, repeat, late, altered, unmatched
flag, points_drawn = st.booleans(), st.integers(0, POINTS_MAX)
drawn_row = st.tuples(texts, texts, TIMES, points_drawn, flag, flag, flag, st.sampled_from((0, 0, 1)))


def encoded(verdicts: Verdicts) -> list[bytes]:
    return [msgspec.json.encode(decision) for decision in verdicts.decisions()]


def written(writer: DecisionWriter, verdicts: Verdicts) -> list[bytes | None]:
    return writer.values(verdicts).strings()


@pytest.mark.parametrize("name", ENGINES)
@given(log=logs(), size=st.integers(1, 30))
@settings(max_examples=20)
def test_decisions_on_a_log_are_those_of_msgspec(name: str, log: Log, size: int) -> None:
    engine, writer = ENGINES[name], DecisionWriter()
    state = engine.new_state()
    for begin in range(0, len(log), size):
        verdicts = engine.judge(log[begin : begin + size], state)
        assert written(writer, verdicts) == encoded(verdicts)


def some_verdicts(engine: Engine, n: int) -> Verdicts:
    payments = [
        Payment(
            event_id=f"e{i}", account_id="a", occurred_at=1_750_000_000_000 + i, amount="1.00", currency="EUR",
            direction="debit",
        )
        for i in range(n)
    ]  # fmt: skip
    return engine.judge(payments, engine.new_state())


class OtherIdentifiers(FrameColumns):
    """Columns with the identifiers of `payments`, whatever the spans hold."""

    def packed(self, name: str) -> Packed:
        return pack(str(getattr(payment, name)).encode() for payment in self.payments)


def drawn_verdicts(
    rows: list[Row], found: list[Finding], kinds: list[int], shadow: Mapping[str, list[int]] | None = None
) -> Verdicts:
    """Verdicts with drawn content. `shadow`: points of scores that decide nothing, by name."""
    verdicts = some_verdicts(next(iter(ENGINES.values())), len(rows))
    events, accounts, times, points, repeat, late, altered, unmatched = zip(*rows, strict=True)
    columns = verdicts.columns
    payments = [
        msgspec.structs.replace(payment, event_id=event, account_id=account)
        for payment, event, account in zip(columns.payments, events, accounts, strict=True)
    ]
    columns.occurred_at_ms[:] = times
    finding = np.array(kinds[: len(rows)], np.int64) % len(found)
    alerting = np.array([kind.outcome != "allow" for kind in found])
    drawn = replace(
        verdicts,
        columns=OtherIdentifiers(columns.index, columns.frame, columns.buffer, payments),
        score_points=np.array(points, np.int32),
        repeat=np.array(repeat),
        late=np.array(late),
        altered=np.array(altered) & np.array(repeat),  # only a repeat can be altered
        unmatched=np.array(unmatched, np.uint64),
        finding=finding,
        alerted=alerting[finding] & ~np.array(repeat),
        findings=found,
        shadow_points={name: np.array(values[: len(rows)], np.int32) for name, values in (shadow or {}).items()},
    )
    drawn.__dict__["alert_digests"] = [  # as if each had been judged by the rule set of its finding
        alert_digest(events[row].encode(), id_end(verdicts.stage, found[finding[row]].rule_set))
        for row in np.flatnonzero(drawn.alerted).tolist()
    ]
    return drawn


@given(
    st.lists(drawn_row, min_size=1, max_size=12),
    st.lists(findings, min_size=1, max_size=4),
    st.lists(st.integers(0, 3), min_size=12, max_size=12),
)
@settings(max_examples=300)
def test_drawn_decisions_are_those_of_msgspec(rows: list[Row], found: list[Finding], kinds: list[int]) -> None:
    verdicts = drawn_verdicts(rows, found, kinds)
    assert written(DecisionWriter(), verdicts) == encoded(verdicts)


@given(
    st.lists(drawn_row, min_size=1, max_size=6),
    st.lists(findings, min_size=1, max_size=2),
    st.dictionaries(st.text(max_size=6), st.lists(points_drawn, min_size=6, max_size=6), min_size=1, max_size=3),
)
@settings(max_examples=100)
def test_scores_that_decide_nothing_are_those_of_msgspec(
    rows: list[Row], found: list[Finding], shadow: dict[str, list[int]]
) -> None:
    verdicts = drawn_verdicts(rows, found, [0, 1] * 3, shadow)
    assert written(DecisionWriter(), verdicts) == encoded(verdicts)
    shown = [decision.shadow_scores for decision in verdicts.decisions()]
    assert [bool(scores) for scores in shown] == [not row[4] for row in rows]


def test_scores_have_the_text_of_msgspec() -> None:
    found = [Finding("r", "allow", (), ())]
    chosen = [*range(2_000), *range(2_000, POINTS_MAX, 173), *range(0, POINTS_MAX, 1_000), POINTS_MAX - 1, POINTS_MAX]
    rows = [("e", "a", 0, points, False, False, False, 0) for points in chosen]
    verdicts = drawn_verdicts(rows, found, [0] * len(rows))
    assert written(DecisionWriter(), verdicts) == encoded(verdicts)


def test_a_writer_follows_findings_that_grow_and_that_are_replaced() -> None:
    first, second, third = (Finding(name, "review", (name,), ()) for name in ("one", "two", "three"))
    rows = [("e", "a", 0, 17, False, False, False, 0)] * 2
    writer, found = DecisionWriter(), [first]
    for kinds, now in (([0, 0], found), ([0, 1], found), ([1, 0], [third, second])):
        verdicts = drawn_verdicts(rows, now, kinds)
        assert written(writer, verdicts) == encoded(verdicts)
        if now is found and len(found) == 1:
            found.append(second)


def test_msgspec_encodes_none_of_the_usual_decisions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guard: else the tests above would compare msgspec with itself."""
    rows = [("e-ü\x7f𐀀", "a" * n, n, n, n % 2 == 0, n % 3 == 0, n % 5 == 0, 0) for n in range(90)]
    found = [Finding("r", "block", ("x",), ("y",)), Finding("r", "allow", (), ())]
    verdicts = drawn_verdicts(rows, found, [n % 2 for n in range(90)])
    due = encoded(verdicts)
    monkeypatch.setattr(Verdicts, "decisions", None)
    assert written(DecisionWriter(), verdicts) == due


def test_a_finding_out_of_range_is_refused() -> None:
    verdicts = drawn_verdicts([("e", "a", 0, 0, False, False, False, 0)], [Finding("r", "allow", (), ())], [0])
    with pytest.raises((ValueError, IndexError)):
        DecisionWriter().values(replace(verdicts, finding=np.array([1])))


def test_no_payments_have_no_decisions() -> None:
    engine = next(iter(ENGINES.values()))
    assert written(DecisionWriter(), engine.judge([], engine.new_state())) == []
