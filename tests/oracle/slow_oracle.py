"""Every aggregate by its definition: plain Python that keeps every payment and computes each answer from scratch.

Nothing here comes from the engine. A catalogue is read as YAML; its filters are looked up in `FILTERS`, as Python.

A feature of a payment at `t` looks at the payments of its entity that precede it in the log and lie in
`(t - delay - window, t - delay]`, and at the payment itself if it `includes` it, has no delay, and the filter holds.

A reversal takes its amount back from the payment that it relates to: the payment no longer counts once nothing is left.
A capture replaces the payment's amount, each later one adds to it. Both do so before their own features are computed,
and count in none.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from functools import cache
from typing import Any, NamedTuple

import yaml

from fraudstream.contracts.label import Label
from fraudstream.contracts.payment import Payment
from tests.property.payment_logs import moment_ms, time_ms

UNITS_MS = {"m": 60_000, "h": 3_600_000, "d": 86_400_000}
DECIMALS = {"EUR": 2, "USD": 2, "JPY": 0, "KWD": 3}
EARTH_RADIUS_KM = 6371.0088
RELATED = ("reversal", "capture")

Answer = bool | int | float | str | Fraction | None  # None: missing

# The filters of the tests' catalogues, in Python. A comparison with a missing value is not true.
FILTERS: dict[str, Callable[[Payment], bool]] = {
    'direction == "debit"': lambda payment: payment.direction == "debit",
    "card_present": lambda payment: payment.card_present is True,
    "amount <= 5": lambda payment: Decimal(payment.amount) <= 5,
    'country != "DE"': lambda payment: payment.country is not None and payment.country != "DE",
    "not attributes.trusted": lambda payment: (payment.attributes or {}).get("trusted") is False,
    "hour < 5": lambda payment: time_ms(payment) // 3_600_000 % 24 < 5,
}


@dataclass
class Past:
    """One payment in the history of an entity. `counted`: not a reversal or capture, and not taken back. `captures`:
    of a capture, the event_id of its payment. `labelled_as_number`, `recent_label`: of a label that came within the
    retention, how many labels came before the first such one, and the newest such one."""

    payment: Payment
    t: int
    amount_minor: int
    label: str | None = None
    labelled_ms: int = 0
    counted: bool = True
    captured: bool = False
    captures: str | None = None
    labelled_as_number: int | None = None
    recent_label: str | None = None


class Feature(NamedTuple):
    name: str
    aggregate: str
    of: str | None
    same: str | None
    window_ms: int
    delay_ms: int
    where: Callable[[Payment], bool]
    includes: bool
    prior: float
    strength: int
    last: int


@dataclass
class OracleEntity:
    """The history of the entities of one kind. `key`: the parts of a payment that identify one; `optional`: those that
    may be missing.

    `uncorrected`: entities of which a reversal or capture came whose payment the engine no longer held.
    """

    key: list[str]
    features: list[Feature]
    optional: list[str]
    pasts: dict[str, list[Past]] = field(default_factory=dict)
    uncorrected: set[str] = field(default_factory=set)

    def past_of(self, event: Payment | Label) -> list[Past] | None:
        """The payments before the event, in the order of the log; None if the event has no such entity."""
        name = self.name_of(event)
        return None if name is None else self.pasts.setdefault(name, [])

    def name_of(self, event: Payment | Label) -> str | None:
        """What identifies the event's entity; None if it lacks a part of the key."""
        parts = [(part, _part(event, part)) for part in self.key]
        lacks = any(value is None and part not in self.optional for part, value in parts)
        return None if lacks or (isinstance(event, Label) and len(parts) > 1) else repr(parts)

    def answer(self, feature: Feature, payment: Payment, widen_ms: int = 0) -> Answer:
        """The feature of a payment that is not yet in the history. `widen_ms`: how far both window ends move out."""
        past = self.past_of(payment)
        if past is None:
            return None
        return DEFINITIONS[feature.aggregate](feature, seen(payment), past, widen_ms)

    def remember(self, payment: Payment) -> None:
        past = self.past_of(payment)
        if past is not None:
            past.append(seen(payment))
            if payment.kind == "capture":
                found = self.related(payment)
                past[-1].captures = payment.relates_to if found is None else found.payment.event_id

    def named(self, event: Payment) -> Past | None:
        """The event that a reversal or capture names, in the history of its own entity."""
        return next((p for p in self.past_of(event) or [] if p.payment.event_id == event.relates_to), None)

    def related(self, event: Payment) -> Past | None:
        """The payment that a reversal or capture can correct: one that counts, in its currency."""
        found = self._captured(event, self.named(event))
        if found is None or not found.counted or found.payment.currency != event.currency:
            return None
        return found

    def correct(self, event: Payment) -> None:
        """Take back or capture the payment that the event relates to; it has one."""
        found, amount_minor = self.related(event), seen(event).amount_minor
        assert found is not None
        if event.kind == "capture":
            found.amount_minor = amount_minor + (found.amount_minor if found.captured else 0)
            found.captured = True
        elif amount_minor < found.amount_minor:
            found.amount_minor -= amount_minor
        else:
            found.counted = False

    def _captured(self, event: Payment | Label, found: Past | None) -> Past | None:
        """The payment that a capture is of; any other event itself."""
        if found is None or found.captures is None:
            return found
        return next((p for p in self.past_of(event) or [] if p.payment.event_id == found.captures), None)

    def labelled(self, label: Label) -> Past | None:
        """The payment of the account that a label is about; of a capture, the captured one."""
        past = self.past_of(label) or []
        found = next((p for p in past if p.payment.event_id == label.event_id), None)
        for _ in past:
            if found is not None and found.captures is not None:
                found = next((p for p in past if p.payment.event_id == found.captures), None)
        return found

    def apply(self, label: Label, event_id: str, number: int, kept: bool) -> None:
        """Label the payment, whatever entities the label names. The newest label counts; of equal times, the last in
        the log. `number`: of the label; `kept`: its payment is not older than the retention."""
        labelled_ms = moment_ms(label.labelled_at)
        for past in self.pasts.values():
            for before in past:
                if before.payment.event_id == event_id and labelled_ms >= before.labelled_ms:
                    before.label, before.labelled_ms = label.label, labelled_ms
                    if kept:
                        before.recent_label = label.label
                        if before.labelled_as_number is None:
                            before.labelled_as_number = number


def apply_label(entities: dict[str, OracleEntity], label: Label, number: int, kept_since_ms: int) -> None:
    """Label its payment in the histories of all entities. The first, the account, knows which one it is. `number`: of
    the label in the log. `kept_since_ms`: event time of the oldest payments that are within the retention."""
    found = next(iter(entities.values())).labelled(label)
    if found is not None:
        for entity in entities.values():
            entity.apply(label, found.payment.event_id, number, found.t >= kept_since_ms)


def retention_ms_of(catalogue: str) -> int:
    """How old a payment may be when its label comes: by default the longest window that reads labels, and a day."""
    declared: dict[str, str] = _document_of(catalogue).get("labels", {"retention": "91d"})
    return _span_ms(declared["retention"])


def oracle_of(catalogue: str) -> dict[str, OracleEntity]:
    """The entities of a catalogue, in its order."""
    document = _document_of(catalogue)
    entities = {
        name: OracleEntity([key] if isinstance(key := entry["key"], str) else key, [], entry.get("optional", []))
        for name, entry in document["entities"].items()
    }
    for name, entry in document["features"].items():
        where = FILTERS[entry["where"]] if "where" in entry else lambda payment: True
        feature = Feature(
            name,
            entry["aggregate"],
            entry.get("of"),
            entry.get("same"),
            _span_ms(entry.get("window", "0m")),
            _span_ms(entry.get("delay", "0m")),
            where,
            entry.get("includes", True),
            entry.get("prior", 0.005 if entry["aggregate"] == "risk" else 1.0),
            entry.get("strength", 20 if entry["aggregate"] == "risk" else 5),
            entry.get("last", 0),
        )
        entities[name.partition(".")[0]].features.append(feature)
    return entities


def _part(event: Payment | Label, part: str) -> str | int | None:
    """One part of a key; None if the event lacks it, as labels lack all but some identifiers."""
    if isinstance(event, Label) or part not in ("hour", "amount_band"):
        found: str | int | None = getattr(event, part, None)
        return found
    if part == "hour":
        return time_ms(event) // 3_600_000 % 24
    return max(seen(event).amount_minor.bit_length() - 1, 0)


@cache
def _document_of(catalogue: str) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(catalogue)
    return document


def _span_ms(text: str) -> int:
    return int(text[:-1]) * UNITS_MS[text[-1]]


def seen(payment: Payment) -> Past:
    """The payment as a history holds it."""
    minor = Decimal(payment.amount).scaleb(DECIMALS[payment.currency])
    assert minor == int(minor), f"{payment.amount} {payment.currency} has a part of a minor unit"
    return Past(payment, time_ms(payment), int(minor), counted=payment.kind not in RELATED)


def _window(feature: Feature, this: Past, past: Iterable[Past], widen_ms: int) -> list[Past]:
    since = this.t - feature.delay_ms - feature.window_ms - widen_ms
    until = this.t - feature.delay_ms + widen_ms
    found = [p for p in past if p.counted and since < p.t <= until and feature.where(p.payment)]
    if this.counted and feature.includes and feature.delay_ms == 0 and feature.where(this.payment):
        found.append(this)
    if feature.same is not None:
        mine = getattr(this.payment, feature.same)
        found = [p for p in found if getattr(p.payment, feature.same) == mine]
    return found


def _lacks_same(feature: Feature, this: Past) -> bool:
    return feature.same is not None and getattr(this.payment, feature.same) is None


def _count(feature: Feature, this: Past, past: list[Past], widen_ms: int) -> Answer:
    return None if _lacks_same(feature, this) else len(_window(feature, this, past, widen_ms))


def _distinct(feature: Feature, this: Past, past: list[Past], widen_ms: int) -> Answer:
    if _lacks_same(feature, this):
        return None
    values = {getattr(p.payment, feature.of or "") for p in _window(feature, this, past, widen_ms)}
    return len(values - {None})


def _share(feature: Feature, this: Past, past: list[Past], widen_ms: int) -> Answer:
    if _lacks_same(feature, this):
        return None
    labels = [p.label for p in _window(feature, this, past, widen_ms)]
    return Fraction(labels.count(feature.of), len(labels)) if labels else 0


def labelled_in(feature: Feature, this: Past, past: list[Past], widen_ms: int) -> tuple[int, int]:
    """Frauds and genuine payments among the window's labelled ones."""
    labels = [p.label for p in _window(feature, this, past, widen_ms)]
    return labels.count("fraud"), labels.count("genuine")


def _risk(feature: Feature, this: Past, past: list[Past], widen_ms: int) -> Answer:
    if _lacks_same(feature, this):
        return None
    frauds, genuine = labelled_in(feature, this, past, widen_ms)
    return smoothed(feature, frauds, genuine)


def smoothed(feature: Feature, frauds: int, genuine: int) -> Fraction:
    """The share of frauds, drawn towards the prior one."""
    prior = Fraction(str(feature.prior))
    return (frauds + feature.strength * prior) / (frauds + genuine + feature.strength)


def _risk_last(feature: Feature, this: Past, past: list[Past], widen_ms: int) -> Answer:
    labelled = sorted((p.labelled_as_number, p.recent_label) for p in past if p.labelled_as_number is not None)
    last = [label for _, label in labelled[-feature.last :]]
    return Fraction(last.count("fraud"), len(last)) if last else None


def amounts_in(feature: Feature, this: Past, past: list[Past], widen_ms: int) -> list[int]:
    """Amounts in minor units, of the payment's own currency alone: like with like."""
    window = _window(feature, this, past, widen_ms)
    return [p.amount_minor for p in window if p.payment.currency == this.payment.currency]


def _of_amounts(reduce: Callable[[list[int]], Answer], empty: Answer) -> Callable[..., Answer]:
    def aggregate(feature: Feature, this: Past, past: list[Past], widen_ms: int) -> Answer:
        if _lacks_same(feature, this):
            return None
        amounts = amounts_in(feature, this, past, widen_ms)
        return reduce(amounts) if amounts else empty

    return aggregate


def _mean(amounts: list[int]) -> Answer:
    return Fraction(sum(amounts), len(amounts))


def _median(amounts: list[int]) -> Answer:
    return sorted(amounts)[(len(amounts) - 1) // 2]


def _std(amounts: list[int]) -> Answer:
    return math.sqrt(statistics.pvariance(list(map(Fraction, amounts))))


def _first_seen(feature: Feature, this: Past, past: list[Past], widen_ms: int) -> Answer:
    mine = getattr(this.payment, feature.of or "")
    if mine is None:
        return None
    before = _window(feature._replace(includes=False), this, past, widen_ms)
    return all(getattr(p.payment, feature.of or "") != mine for p in before)


def _before(feature: Feature, this: Past, past: list[Past]) -> list[Past]:
    """The payments at or before its time, in order of event time; equal times in the order of the log."""
    before = [p for p in past if p.counted and p.t <= this.t and feature.where(p.payment)]
    return sorted(before, key=lambda p: p.t)


def _since_last(feature: Feature, this: Past, past: list[Past], widen_ms: int) -> Answer:
    before = _before(feature, this, past)
    return this.t - before[-1].t if before else None


def _age(feature: Feature, this: Past, past: list[Past], widen_ms: int) -> Answer:
    before = [p.t for p in past if p.t <= this.t and p.payment.kind not in RELATED]  # taken back or not
    return this.t - min(before) if before else 0


def _last(feature: Feature, this: Past, past: list[Past], widen_ms: int) -> Answer:
    values = [getattr(p.payment, feature.of or "") for p in _before(feature, this, past)]
    return next((value for value in reversed(values) if value is not None), None)


def _last_located(feature: Feature, this: Past, past: list[Past]) -> Past | None:
    before = [p for p in _before(feature, this, past) if p.payment.lat is not None and p.payment.lon is not None]
    return before[-1] if before and this.payment.lat is not None and this.payment.lon is not None else None


def _distance(feature: Feature, this: Past, past: list[Past], widen_ms: int) -> Answer:
    last = _last_located(feature, this, past)
    return None if last is None else _km(last.payment, this.payment)


def _speed(feature: Feature, this: Past, past: list[Past], widen_ms: int) -> Answer:
    last = _last_located(feature, this, past)
    if last is None:
        return None
    hours = max(this.t - last.t, 1_000) / 3_600_000
    return _km(last.payment, this.payment) / hours


def _km(a: Payment, b: Payment) -> float:
    """Great-circle distance by the angle between two vectors, which needs no haversine."""
    u, v = _unit_vector(a), _unit_vector(b)
    cross = (u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0])
    return EARTH_RADIUS_KM * math.atan2(math.hypot(*cross), sum(x * y for x, y in zip(u, v, strict=True)))


def _unit_vector(payment: Payment) -> tuple[float, float, float]:
    lat, lon = math.radians(payment.lat or 0.0), math.radians(payment.lon or 0.0)
    return math.cos(lat) * math.cos(lon), math.cos(lat) * math.sin(lon), math.sin(lat)


def _z_score(feature: Feature, this: Past, past: list[Past], widen_ms: int) -> Answer:
    """By its definition in `aggregates.z_score`, in floats of many payments; logarithms by `math`."""
    if _lacks_same(feature, this):
        return None
    sizes = [_size(feature, amount) for amount in amounts_in(feature._replace(includes=False), this, past, widen_ms)]
    if not sizes:
        return 0.0
    n, k = len(sizes), feature.strength
    mean = statistics.fmean(sizes)
    deviation = feature.prior * (1.0 if feature.of == "log_amount" else mean)
    variance = (sum((size - mean) ** 2 for size in sizes) + k * deviation**2) / (n + k)
    if variance == 0.0:
        return None
    return n / (n + k) * (_size(feature, this.amount_minor) - mean) / math.sqrt(variance)


def _size(feature: Feature, amount_minor: int) -> float:
    return math.log2(max(amount_minor, 1)) if feature.of == "log_amount" else float(amount_minor)


def _rarity(feature: Feature, this: Past, past: list[Past], widen_ms: int) -> Answer:
    mine = _value(feature, this)
    if _lacks_same(feature, this) or mine is None:
        return None
    window = _window(feature._replace(includes=False), this, past, widen_ms)
    values = [value for value in (_value(feature, p) for p in window) if value is not None]
    if feature.of == "time_of_day":
        apart = [abs(value - mine) for value in values]
        alike = sum(min(ms, 86_400_000 - ms) <= 3_600_000 for ms in apart)
    else:
        alike = values.count(mine)
    return math.log2((len(values) + 1) / (alike + 1))


def _value(feature: Feature, this: Past) -> Any:
    match feature.of:
        case "hour":
            return this.t // 3_600_000 % 24
        case "weekday":
            return datetime.fromtimestamp(this.t / 1000, UTC).weekday()
        case "time_of_day":
            return this.t % 86_400_000
        case of:
            return getattr(this.payment, of or "")


DEFINITIONS: dict[str, Callable[[Feature, Past, list[Past], int], Answer]] = {
    "count": _count,
    "sum": _of_amounts(sum, 0),
    "mean": _of_amounts(_mean, None),
    "min": _of_amounts(min, None),
    "max": _of_amounts(max, None),
    "std": _of_amounts(_std, None),
    "median": _of_amounts(_median, None),
    "distinct": _distinct,
    "share": _share,
    "risk": _risk,
    "risk_last": _risk_last,
    "since_last": _since_last,
    "first_seen": _first_seen,
    "distance": _distance,
    "speed": _speed,
    "age": _age,
    "last": _last,
    "z_score": _z_score,
    "rarity": _rarity,
}
