"""From the counters to Prometheus: read when somebody scrapes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from tocsin.app.metrics.families import FAMILIES, Family

Labels = Sequence[str]
Numbers = Callable[[], Iterable[tuple[Labels, float]]]
"""Gives the values of a counter or gauge by their labels."""

Shape = tuple[list[tuple[str, float]], float]
"""(cumulative buckets, sum)."""
Shapes = Callable[[], Iterable[tuple[Labels, Shape]]]


class EngineCollector(Collector):
    """Shows every family, with what its source holds now."""

    def __init__(self, numbers: Mapping[str, Numbers], shapes: Mapping[str, Shapes]) -> None:
        """*numbers* and *shapes* are the sources by the name of their family."""
        self._numbers = numbers
        self._shapes = shapes

    def collect(self) -> Iterator[Metric]:
        """Yield all of them; one without a source has no values."""
        for family in FAMILIES:
            yield self._metric(family)

    def _metric(self, family: Family) -> Metric:
        if family.kind == "histogram":
            histogram = HistogramMetricFamily(family.name, family.help, labels=family.labels)
            for labels, (buckets, total) in self._shapes.get(family.name, _none)():
                histogram.add_metric(labels, buckets, total)
            return histogram
        kind = CounterMetricFamily if family.kind == "counter" else GaugeMetricFamily
        metric = kind(family.name, family.help, labels=family.labels)
        for labels, value in self._numbers.get(family.name, _none)():
            metric.add_metric(labels, value)
        return metric


def _none() -> tuple[()]:
    return ()
