"""A Prometheus histogram that observes a whole array at once; prometheus-client's own takes one value a call."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt
from numpy.typing import ArrayLike
from prometheus_client import CollectorRegistry
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString


class ArrayHistogram(Collector):
    """Counts values into buckets. `bounds`: their upper ends (inclusive), ascending, without infinity. `label`: the
    name of its one label, if it has one.

    One thread may observe while another scrapes: a scrape sees each `observe` completely or not at all.

    >>> histogram = ArrayHistogram("wait_seconds", "Time waited.", [0.001, 0.01], CollectorRegistry())
    >>> histogram.observe([0.0005, 0.001, 0.5])
    >>> [(sample.name, sample.labels.get("le"), sample.value) for sample in next(iter(histogram.collect())).samples]
    ... # doctest: +NORMALIZE_WHITESPACE
    [('wait_seconds_bucket', '0.001', 2), ('wait_seconds_bucket', '0.01', 2), ('wait_seconds_bucket', '+Inf', 3),
     ('wait_seconds_count', None, 3), ('wait_seconds_sum', None, 0.5015)]
    """

    def __init__(
        self,
        name: str,
        documentation: str,
        bounds: Sequence[float],
        registry: CollectorRegistry,
        label: str | None = None,
    ) -> None:
        self.name, self.label = name, label
        self.documentation = documentation
        self._bounds = np.asarray(bounds, dtype=np.float64)
        assert self._bounds.size > 0, f"{name}: no buckets"
        assert np.all(np.isfinite(self._bounds)), f"{name}: bounds must be finite, the bucket to infinity is added"
        assert np.all(np.diff(self._bounds) > 0), f"{name}: bounds must ascend"
        self._children: dict[str, LabelledCounts] = {}
        self._lock = threading.Lock()
        registry.register(self)
        self._only = self.labels() if label is None else None

    def labels(self, value: str = "") -> LabelledCounts:
        """The counts for this value of the label."""
        with self._lock:
            return self._children.setdefault(value, LabelledCounts(self._bounds, self._lock))

    def observe(self, values: ArrayLike) -> None:
        """Count `values`: float64, any shape. Negative values (clocks differ) count as 0, NaN is skipped."""
        assert self._only is not None, f"{self.name} has the label {self.label}"
        self._only.observe(values)

    def collect(self) -> Iterable[HistogramMetricFamily]:
        """The samples of all label values; called by the registry."""
        family = HistogramMetricFamily(self.name, self.documentation, labels=[self.label] if self.label else [])
        ends = [*map(floatToGoString, self._bounds.tolist()), "+Inf"]
        with self._lock:
            for value, counts in self._children.items():
                buckets = list(zip(ends, np.cumsum(counts.counts).tolist(), strict=True))
                family.add_metric([value] if self.label else [], buckets, counts.sum)
        yield family

    def describe(self) -> Iterable[HistogramMetricFamily]:
        """Name and documentation; called by the registry."""
        yield HistogramMetricFamily(self.name, self.documentation)


class LabelledCounts:
    """The bucket counts of one value of the label."""

    def __init__(self, bounds: npt.NDArray[np.float64], lock: threading.Lock) -> None:
        self.counts = np.zeros(bounds.size + 1, dtype=np.int64)
        self.sum = 0.0
        self._bounds, self._lock = bounds, lock
        self._ends: list[float] = bounds.tolist()

    def observe(self, values: ArrayLike) -> None:
        """As `ArrayHistogram.observe`."""
        array = np.asarray(values, dtype=np.float64).ravel()
        if not array.size:
            return
        if not array.min() >= 0.0:  # one is negative, or NaN
            array = np.maximum(array[~np.isnan(array)], 0.0)
        counts = np.bincount(self._bounds.searchsorted(array), minlength=self.counts.size)
        total = float(array.sum())
        with self._lock:
            self.counts += counts
            self.sum += total

    def observe_one(self, value: float) -> None:
        """As `observe`, of one value that is not NaN: without numpy, which takes a microsecond a call."""
        value = max(value, 0.0)
        with self._lock:
            self.counts[bisect_left(self._ends, value)] += 1
            self.sum += value
