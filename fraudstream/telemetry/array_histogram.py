"""A Prometheus histogram that observes a whole array at once; prometheus-client's own takes one value a call."""

import threading
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import ArrayLike
from prometheus_client import CollectorRegistry
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString


class ArrayHistogram(Collector):
    """Counts values into buckets; `bounds` are their upper ends (inclusive), rising, without infinity.

    Written by one thread and scraped by another: a scrape sees each `observe` whole or not at all.

    >>> histogram = ArrayHistogram("wait_seconds", "Time waited.", [0.001, 0.01], CollectorRegistry())
    >>> histogram.observe([0.0005, 0.001, 0.5])
    >>> [(sample.name, sample.labels.get("le"), sample.value) for sample in next(iter(histogram.collect())).samples]
    ... # doctest: +NORMALIZE_WHITESPACE
    [('wait_seconds_bucket', '0.001', 2), ('wait_seconds_bucket', '0.01', 2), ('wait_seconds_bucket', '+Inf', 3),
     ('wait_seconds_count', None, 3), ('wait_seconds_sum', None, 0.5015)]
    """

    def __init__(self, name: str, documentation: str, bounds: Sequence[float], registry: CollectorRegistry) -> None:
        self.name = name
        self.documentation = documentation
        self._bounds = np.asarray(bounds, dtype=np.float64)
        assert self._bounds.size > 0, f"{name}: no buckets"
        assert np.all(np.isfinite(self._bounds)), f"{name}: buckets are finite, the last one to infinity is added"
        assert np.all(np.diff(self._bounds) > 0), f"{name}: buckets rise"
        self._counts = np.zeros(self._bounds.size + 1, dtype=np.int64)
        self._sum = 0.0
        self._lock = threading.Lock()
        registry.register(self)

    def observe(self, values: ArrayLike) -> None:
        """Count `values`: any shape, float64. A negative one (clocks differ) counts as 0, NaN is left out."""
        array = np.asarray(values, dtype=np.float64).ravel()
        array = np.maximum(array[~np.isnan(array)], 0.0)
        buckets = np.searchsorted(self._bounds, array, side="left")
        counts = np.bincount(buckets, minlength=self._counts.size)
        total = float(array.sum())
        with self._lock:
            self._counts += counts
            self._sum += total

    def collect(self) -> Iterable[HistogramMetricFamily]:
        with self._lock:
            cumulative = np.cumsum(self._counts).tolist()
            total = self._sum
        ends = [*map(floatToGoString, self._bounds.tolist()), "+Inf"]
        buckets = list(zip(ends, cumulative, strict=True))
        yield HistogramMetricFamily(self.name, self.documentation, buckets=buckets, sum_value=total)

    def describe(self) -> Iterable[HistogramMetricFamily]:
        yield HistogramMetricFamily(self.name, self.documentation)
