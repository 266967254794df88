"""A Prometheus histogram that observes a whole array at once; prometheus-client's own takes one value a call."""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
from numpy.typing import ArrayLike
from prometheus_client import CollectorRegistry
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.samples import Exemplar
from prometheus_client.utils import floatToGoString

NO_TRACES: Final[Mapping[int, str]] = {}


class ArrayHistogram(Collector):
    """Counts values into buckets. `bounds`: their upper ends (inclusive), ascending, without infinity. `label`: the
    name of its one label, if it has one.

    One thread may observe while another scrapes: a scrape sees each `observe` completely or not at all.

    Values may belong to traces: each bucket keeps the last such value with its trace as an exemplar, which a scraper
    that asks for OpenMetrics gets.

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

    def observe(self, values: ArrayLike, trace_ids: Mapping[int, str] = NO_TRACES) -> None:
        """Count `values`: float64, any shape. Negative values (clocks differ) count as 0, NaN is skipped. `trace_ids`:
        of those that belong to a trace, by their index."""
        assert self._only is not None, f"{self.name} has the label {self.label}"
        self._only.observe(values, trace_ids)

    def collect(self) -> Iterable[HistogramMetricFamily]:
        """The samples of all label values; called by the registry."""
        family = HistogramMetricFamily(self.name, self.documentation, labels=[self.label] if self.label else [])
        ends = [*map(floatToGoString, self._bounds.tolist()), "+Inf"]
        with self._lock:
            for value, counts in self._children.items():
                cumulative: list[int] = np.cumsum(counts.counts).tolist()
                buckets = list(map(counts.bucket, ends, cumulative, range(len(ends))))
                family.add_metric([value] if self.label else [], buckets, counts.sum)
        yield family

    def describe(self) -> Iterable[HistogramMetricFamily]:
        """Name and documentation; called by the registry."""
        yield HistogramMetricFamily(self.name, self.documentation)


class LabelledCounts:
    """The bucket counts of one value of the label. `exemplars`: by the number of the bucket."""

    def __init__(self, bounds: npt.NDArray[np.float64], lock: threading.Lock) -> None:
        self.counts = np.zeros(bounds.size + 1, dtype=np.int64)
        self.sum = 0.0
        self.exemplars: dict[int, Exemplar] = {}
        self._bounds, self._lock = bounds, lock
        self._ends: list[float] = bounds.tolist()

    def bucket(self, end: str, count: int, number: int) -> tuple[str, float] | tuple[str, float, Exemplar]:
        """The bucket with this number as the library takes it. `end`: its upper end; `count`: of the values below."""
        exemplar = self.exemplars.get(number)
        return (end, count) if exemplar is None else (end, count, exemplar)

    def observe(self, values: ArrayLike, trace_ids: Mapping[int, str] = NO_TRACES) -> None:
        """As `ArrayHistogram.observe`."""
        array = np.asarray(values, dtype=np.float64).ravel()
        if trace_ids:
            self._keep_exemplars(array, trace_ids)
        if not array.size:
            return
        if not array.min() >= 0.0:  # one is negative, or NaN
            array = np.maximum(array[~np.isnan(array)], 0.0)
        counts = np.bincount(self._bounds.searchsorted(array), minlength=self.counts.size)
        total = float(array.sum())
        with self._lock:
            self.counts += counts
            self.sum += total

    def _keep_exemplars(self, values: npt.NDArray[np.float64], trace_ids: Mapping[int, str]) -> None:
        now_s = time.time()
        for index, trace_id in trace_ids.items():
            value = max(float(values[index]), 0.0)
            with self._lock:
                self.exemplars[bisect_left(self._ends, value)] = Exemplar({"trace_id": trace_id}, value, now_s)

    def observe_one(self, value: float) -> None:
        """As `observe`, of one value that is not NaN: without numpy, which takes a microsecond a call."""
        value = max(value, 0.0)
        with self._lock:
            self.counts[bisect_left(self._ends, value)] += 1
            self.sum += value
