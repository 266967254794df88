"""The array histogram exposes the same as prometheus-client's histogram for the same values."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics_families
from prometheus_client.parser import text_string_to_metric_families

from fraudstream.telemetry.array_histogram import ArrayHistogram

BOUNDS = (0.001, 0.005, 0.01, 0.5, 1.0)


def exposed(registry: CollectorRegistry) -> dict[tuple[str, str], float]:
    return {
        (sample.name, sample.labels.get("le", "")): sample.value
        for family in text_string_to_metric_families(generate_latest(registry).decode())
        for sample in family.samples
        if not sample.name.endswith("_created")
    }


@given(st.lists(st.lists(st.one_of(st.floats(0, 10), st.sampled_from(BOUNDS)))))
def test_it_exposes_what_the_standard_histogram_exposes(batches: list[list[float]]) -> None:
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    histogram = ArrayHistogram("wait_seconds", "Time waited.", BOUNDS, ours)
    standard = Histogram("wait_seconds", "Time waited.", buckets=BOUNDS, registry=theirs)
    for batch in batches:
        histogram.observe(np.array(batch))
        for value in batch:
            standard.observe(value)
    assert exposed(ours) == pytest.approx(exposed(theirs))


@given(st.lists(st.one_of(st.floats(-1, 10), st.sampled_from(BOUNDS))))
def test_one_value_counts_as_an_array_of_it(values: list[float]) -> None:
    one, many = CollectorRegistry(), CollectorRegistry()
    by_value = ArrayHistogram("wait_seconds", "Time waited.", BOUNDS, one)
    by_array = ArrayHistogram("wait_seconds", "Time waited.", BOUNDS, many)
    for value in values:
        by_value.labels().observe_one(value)
        by_array.observe([value])
    assert exposed(one) == exposed(many)


def test_a_negative_latency_counts_as_zero_and_nan_is_skipped() -> None:
    registry = CollectorRegistry()
    ArrayHistogram("wait_seconds", "Time waited.", BOUNDS, registry).observe([-5.0, float("nan")])
    found = exposed(registry)
    assert found["wait_seconds_bucket", "0.001"] == 1
    assert found["wait_seconds_count", ""] == 1
    assert found["wait_seconds_sum", ""] == 0


def test_two_histograms_of_one_name_are_rejected() -> None:
    registry = CollectorRegistry()
    ArrayHistogram("wait_seconds", "Time waited.", BOUNDS, registry)
    with pytest.raises(ValueError, match="wait_seconds"):
        ArrayHistogram("wait_seconds", "Time waited.", BOUNDS, registry)


def test_each_bucket_keeps_the_last_trace_for_scrapers_of_openmetrics_alone() -> None:
    registry = CollectorRegistry()
    histogram = ArrayHistogram("wait_seconds", "Time waited.", BOUNDS, registry)
    histogram.observe([0.004, 0.002, 0.7, -1.0, 20.0], {0: "a" * 32, 1: "b" * 32, 3: "c" * 32, 4: "d" * 32})
    histogram.observe([0.003])
    text = openmetrics(registry).decode()  # type: ignore[no-untyped-call]
    found = {
        sample.labels["le"]: (sample.exemplar.labels["trace_id"], sample.exemplar.value)
        for family in openmetrics_families(text)  # type: ignore[no-untyped-call]
        for sample in family.samples
        if sample.exemplar is not None
    }
    assert found == {
        "0.001": ("c" * 32, 0.0),
        "0.005": ("b" * 32, 0.002),
        "+Inf": ("d" * 32, 20.0),
    }
    assert "trace_id" not in generate_latest(registry).decode()
