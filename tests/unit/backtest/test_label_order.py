"""The position of labels among payments, independent of the batch size of the file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from hypothesis import given
from hypothesis import strategies as st

from fraudstream.backtest.label_order import Events, in_batches, in_order
from fraudstream.contracts import Label, Payment


class Batch(NamedTuple):
    payments: list[Payment]
    occurred_at_ms: npt.NDArray[np.int64]
    labels: npt.NDArray[np.int8]
    labelled_at_ms: npt.NDArray[np.int64] | None = None


def batches(times: Sequence[int], labels: Sequence[int], size: int, told: Sequence[int] | None = None) -> list[Batch]:
    payments = [
        Payment(
            event_id=f"p{i}",
            occurred_at=t,
            account_id="a",
            amount="1.00",
            currency="EUR",
            direction="debit",
            merchant_id="m",
            terminal_id="t",
            counterparty_id="c",
            device_id="d",
            partner_id="p",
            channel="pos",
        )
        for i, t in enumerate(times)
    ]
    return [
        Batch(
            payments[start : start + size],
            np.array(times[start : start + size], np.int64),
            np.array(labels[start : start + size], np.int8),
            None if told is None else np.array(told[start : start + size], np.int64),
        )
        for start in range(0, len(times), size)
    ]


def names(pieces: Sequence[Events]) -> list[str]:
    """`p0` for a payment, `L0` for its label."""
    events = [event for piece in pieces for event in piece.events]
    return [event.event_id.replace("p", "L") if isinstance(event, Label) else event.event_id for event in events]


def test_a_label_precedes_the_payments_of_the_same_time() -> None:
    # time     1   2   3      4      5        then
    # events   p0  p1  L0 p2  L1 p3  L2 p4    L3 L4
    ordered = names(list(in_order(batches([1, 2, 3, 4, 5], [0, 1, 0, 0, 1], 5), 2)))
    assert ordered == ["p0", "p1", "L0", "p2", "L1", "p3", "L2", "p4", "L3", "L4"]


def test_a_label_without_delay_follows_its_own_payment() -> None:
    assert names(list(in_order(batches([1, 1, 2], [1, 1, 0], 3), 0))) == ["p0", "L0", "p1", "L1", "p2", "L2"]


def test_an_unlabelled_payment_has_no_label_event() -> None:
    assert names(list(in_order(batches([1, 2, 3], [-1, 1, -1], 3), 1))) == ["p0", "p1", "L1", "p2"]


def test_a_label_has_the_entities_of_its_payment() -> None:
    (piece,) = in_order(batches([5, 105], [1, -1], 2), 100)
    assert piece.events[1] == Label(
        event_id="p0",
        account_id="a",
        label="fraud",
        labelled_at=105,
        payment_occurred_at=5,
        merchant_id="m",
        terminal_id="t",
        counterparty_id="c",
        device_id="d",
        partner_id="p",
        channel="pos",
        source="file",
    )
    assert piece.labels.tolist() == [1, -1, -1]
    assert piece.at_ms.tolist() == [5, 105, 105]


def test_a_published_label_is_not_dated_in_the_future_and_keeps_its_place() -> None:
    pieces = list(in_order(batches([1, 2, 3], [0, 1, 1], 3), 2, labelled_until_ms=4))
    labelled = [event.labelled_at for piece in pieces for event in piece.events if isinstance(event, Label)]
    assert (names(pieces), labelled) == (["p0", "p1", "L0", "p2", "L1", "L2"], [3, 4, 4])


@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(-1, 1)), max_size=30),
    st.integers(0, 12),
    st.integers(1, 31),
    st.integers(1, 40),
)
def test_the_order_does_not_depend_on_the_batch_size(
    steps: list[tuple[int, int]], delay_ms: int, size: int, out_size: int
) -> None:
    times = np.cumsum([step for step, _ in steps]).tolist()
    labels = [label for _, label in steps]
    expected: list[tuple[int, str]] = []
    due: list[tuple[int, str]] = []
    for i, t in enumerate(times):  # one by one, as the promise reads
        while due and due[0][0] <= t:
            expected.append(due.pop(0))
        expected.append((t, f"p{i}"))
        if labels[i] >= 0:
            due.append((t + delay_ms, f"L{i}"))
    expected += due

    pieces = list(in_batches(in_order(batches(times, labels, size), delay_ms), out_size))
    assert names(pieces) == [name for _, name in expected]
    assert [int(t) for piece in pieces for t in piece.at_ms] == [t for t, _ in expected]
    assert all(len(piece.events) == out_size for piece in pieces[:-1])


def test_a_label_comes_when_it_became_known_where_the_file_says_it() -> None:
    # time     1   2       3   4          5      then
    # events   p0  p1 (L1) p2  L2? p3     p4     L0
    told = [9, 2, -1, 5, 5]
    ordered = names(list(in_order(batches([1, 2, 3, 4, 5], [1, 0, 0, 1, 0], 5, told), 1)))
    assert ordered == ["p0", "p1", "L1", "p2", "L2", "p3", "L3", "p4", "L4", "L0"]
    labels = [event for piece in in_order(batches([1, 2], [1, 0], 2, [9, -1]), 3) for event in piece.events]
    assert [label.labelled_at for label in labels if isinstance(label, Label)] == [5, 9]


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(-1, 1), st.none() | st.integers(0, 9)), max_size=30),
    st.integers(1, 30),
    st.integers(0, 5),
)
def test_times_of_labels_order_them_whatever_the_batches(
    rows: list[tuple[int, int, int | None]], size: int, delay: int
) -> None:
    times = np.cumsum([step for step, _, _ in rows]).tolist()
    told = [-1 if after is None else at + after for at, (_, _, after) in zip(times, rows, strict=True)]
    labels = [label for _, label, _ in rows]
    ordered = names(list(in_order(batches(times, labels, size, told), delay)))
    assert ordered == names(list(in_order(batches(times, labels, max(1, len(rows)), told), delay)))
    due = [at + delay if said < 0 else said for at, said in zip(times, told, strict=True)]
    place = {name: index for index, name in enumerate(ordered)}
    for number, label in enumerate(labels):
        if label >= 0:
            after = [n for n in range(number + 1, len(times)) if times[n] >= due[number]]
            before = [n for n in range(len(times)) if times[n] < due[number]]
            assert place[f"L{number}"] > place[f"p{number}"]
            assert all(place[f"L{number}"] < place[f"p{n}"] for n in after)
            assert all(place[f"L{number}"] > place[f"p{n}"] for n in before)
