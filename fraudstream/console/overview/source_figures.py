"""Partners and channels: the risk of each, from the payments of the history store."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from fraudstream.console.overview.payment_days import Days, PaymentDays, last_days
from fraudstream.history.figures import FigureReader, LabelledSource, SourceDay

LINES_MAX: Final = 100
UNNAMED: Final = ""  # of payments that name no channel


@dataclass(slots=True)
class SourceDayCounts:
    """A day's payments. `alerts`: with an alert; `fraud`: labelled fraud."""

    payments: int = 0
    alerts: int = 0
    fraud: int = 0


@dataclass(slots=True)
class Source:
    """The payments of a channel or a partner. `fraud`: labelled fraud, with an alert or without; `alerted_fraud`,
    `alerted_genuine`: payments with an alert by their label. Amounts are minor units by currency: of all, of those with
    an alert, of those labelled fraud."""

    payments: int = 0
    alerts: int = 0
    fraud: int = 0
    alerted_fraud: int = 0
    alerted_genuine: int = 0
    amounts: Counter[str] = field(default_factory=Counter)
    alerted_amounts: Counter[str] = field(default_factory=Counter)
    fraud_amounts: Counter[str] = field(default_factory=Counter)
    by_day: dict[int, SourceDayCounts] = field(default_factory=dict)

    @property
    def alert_share(self) -> float | None:
        """The share of payments with an alert; None without payments."""
        return self.alerts / self.payments if self.payments else None

    @property
    def fraud_share(self) -> float | None:
        """The share of payments that were labelled fraud; None without payments."""
        return self.fraud / self.payments if self.payments else None

    @property
    def precision(self) -> float | None:
        """The share of fraud among the labelled payments with an alert; None without one."""
        labelled = self.alerted_fraud + self.alerted_genuine
        return self.alerted_fraud / labelled if labelled else None

    @property
    def recall(self) -> float | None:
        """The share of the payments labelled fraud that had an alert; None without one."""
        return self.alerted_fraud / self.fraud if self.fraud else None


class SourceFigures(NamedTuple):
    """The page. `channels`, `partners`: at most `LINES_MAX` each, most alerts first. `total`: of all payments."""

    days: Days
    channels: Mapping[str, Source]
    partners: Mapping[str, Source]
    total: Source


def source_figures(reader: FigureReader, kept: PaymentDays, count: int) -> SourceFigures:
    """Of the last `count` days of the store. Blocks. Raises `HistoryError`."""
    days = last_days(reader, count)
    paid, labelled = kept.sources(reader, days), kept.labelled(reader, days)
    channels, partners, total = dict[str, Source](), dict[str, Source](), Source()

    def sources_of(line: SourceDay | LabelledSource) -> Iterable[Source]:
        yield total
        yield channels.setdefault(line.channel or UNNAMED, Source())
        if line.partner is not None:
            yield partners.setdefault(line.partner, Source())

    for day, lines in paid.items():
        for line in lines:
            for source in sources_of(line):
                _add_paid(source, day, line)
    for labels in labelled.sources:
        if labels.day in days:
            for source in sources_of(labels):
                _add_labelled(source, labels)
    return SourceFigures(days, _ranked(channels), _ranked(partners), total)


def _add_paid(source: Source, day: int, line: SourceDay) -> None:
    source.payments += line.payments
    source.alerts += line.alerts
    source.amounts[line.currency] += line.amount_minor
    source.alerted_amounts[line.currency] += line.alerted_minor
    counts = source.by_day.setdefault(day, SourceDayCounts())
    counts.payments += line.payments
    counts.alerts += line.alerts


def _add_labelled(source: Source, line: LabelledSource) -> None:
    if line.fraud:
        source.fraud += line.payments
        source.fraud_amounts[line.currency] += line.amount_minor
        source.by_day.setdefault(line.day, SourceDayCounts()).fraud += line.payments
    if line.alerted and line.fraud:
        source.alerted_fraud += line.payments
    elif line.alerted:
        source.alerted_genuine += line.payments


def _ranked(sources: Mapping[str, Source]) -> dict[str, Source]:
    ranked = sorted(sources.items(), key=lambda each: (-each[1].alerts, -each[1].payments, each[0]))
    return dict(ranked[:LINES_MAX])
