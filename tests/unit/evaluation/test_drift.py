from __future__ import annotations

import math
from itertools import pairwise

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fraudstream.evaluation.drift import ReferenceHistogram, counts_of, drift, reference_histogram, stability_index

values = st.lists(st.one_of(st.integers(0, 20).map(float), st.just(math.nan)), min_size=1, max_size=60)


@given(values, st.integers(1, 12))
def test_every_value_is_in_one_bin_of_its_reference(drawn: list[float], bins: int) -> None:
    histogram = reference_histogram("score", np.array(drawn), bins)
    present = [value for value in drawn if not math.isnan(value)]
    ends = [-math.inf, *histogram.edges, math.inf]
    assert len(histogram.edges) < bins
    assert histogram.counts == tuple(sum(low < value <= high for value in present) for low, high in pairwise(ends))
    assert histogram.missing == len(drawn) - len(present)
    assert all(histogram.counts) or not present  # no bin is empty


@given(values)
def test_the_same_values_have_not_moved(drawn: list[float]) -> None:
    array = np.array(drawn)
    assert drift(reference_histogram("score", array), array).index == 0.0


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=1, max_size=8))
def test_the_index_is_its_formula(pairs: list[tuple[int, int]]) -> None:
    expected, observed = [e for e, _ in pairs], [o for _, o in pairs]
    found = stability_index(expected, observed)
    assert found == pytest.approx(stability_index(observed, expected))
    used = [(e + 0.5, o + 0.5) for e, o in pairs if e + o]
    if not sum(expected) or not sum(observed):
        assert found == 0
        return
    all_e, all_o = sum(e for e, _ in used), sum(o for _, o in used)
    assert found == pytest.approx(sum((o / all_o - e / all_e) * math.log(o / all_o * all_e / e) for e, o in used))
    assert found > -1e-12


def test_a_feature_that_went_missing_has_moved() -> None:
    reference = reference_histogram("device", np.arange(100.0))
    found = drift(reference, np.full(100, np.nan))
    assert found.verdict == "moved"
    assert counts_of(reference.edges, np.full(3, np.nan))[-1] == 3


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ({"name": "a", "edges": [1.0], "counts": [1]}, "a has 1 edges and 1 counts: one more is due"),
        ({"name": "a", "edges": [2.0, 1.0], "counts": [1, 1, 1]}, "the edges of a are not ascending"),
        ({"name": "a", "edges": [], "counts": [-1]}, "a has a negative count"),
    ],
)
def test_a_histogram_that_cannot_be_is_refused(content: dict[str, object], sentence: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=sentence):
        msgspec.convert(content, ReferenceHistogram)
