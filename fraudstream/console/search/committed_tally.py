"""A tally of the committed cases, by aggregations of the index."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

from fraudstream.console.queue_order import opened_at_ms_in, places_opened
from fraudstream.console.search.committed_cases import CommittedCases
from fraudstream.console.search.schema import AMOUNTS, BILLION
from fraudstream.console.search.tally import NONE, Tallied, Tally, no_cases

_VALUES_MAX: Final = 10_000  # of a field
_SPLITS_MAX: Final = 10
_MISSING: Final = "\0"  # the index takes no empty text for it
_SPLIT: Final = "split"
_OLDEST: Final = "oldest"


def committed_tally(cases: CommittedCases, without: Collection[str], asked: Tally) -> Tallied:
    """The answer over the committed cases but those of the ids `without`. Blocks."""
    answer = cases.aggregations(asked.query, without, _asked_of_index(asked))
    found = no_cases(asked)
    for bucket in answer[_SPLIT]["buckets"]:
        found.cases[_text(bucket["key"])] = bucket["doc_count"]
    for field in asked.fields:
        for bucket in answer[field]["buckets"]:
            for split, count in _splits(bucket):
                found.fields[field][_text(bucket["key"]), split] = count
            if _OLDEST in bucket and bucket[_OLDEST]["value"] is not None:
                found.oldest_ms[_text(bucket["key"])] = opened_at_ms_in(round(bucket[_OLDEST]["value"]))
    if asked.opened_ms:
        for number, bucket in _spans(answer["opened"], _places(asked.opened_ms)):
            for split, count in _splits(bucket):
                found.opened[number, split] = count
    if asked.alerted_ms:
        for number, bucket in _spans(answer["alerted"], asked.alerted_ms):
            found.alerted[number] = bucket["doc_count"]
    if asked.amounts:
        _add_amounts(cases, without, asked, answer, found)
    return found


def _asked_of_index(asked: Tally) -> dict[str, Any]:
    split = {_SPLIT: {"terms": {"field": asked.split, "size": _SPLITS_MAX, "missing": _MISSING}}}
    oldest = {_OLDEST: {"min": {"field": "oldest"}}}
    questions: dict[str, Any] = dict(split)
    for field in asked.fields:
        terms: dict[str, Any] = {"field": field, "size": _VALUES_MAX}
        if field == "queue":
            terms["missing"] = _MISSING
        questions[field] = {"terms": terms, "aggs": split | (oldest if field == "queue" else {})}
    if asked.opened_ms:
        questions["opened"] = {"range": _ranges("oldest", _places(asked.opened_ms)), "aggs": split}
    if asked.alerted_ms:
        questions["alerted"] = {"range": _ranges("alerted_at_ms", asked.alerted_ms)}
    if asked.amounts:
        questions["currencies"] = {"terms": {"field": "currency", "size": _VALUES_MAX}}
    return questions


def _add_amounts(
    cases: CommittedCases, without: Collection[str], asked: Tally, answer: Mapping[str, Any], found: Tallied
) -> None:
    """Sums of the currencies that the cases have, which the first answer names."""
    currencies = [bucket["key"] for bucket in answer["currencies"]["buckets"]]
    if not currencies:
        return
    names = [name for currency in currencies for name in (currency, f"{currency}_billions")]
    sums = {name: {"sum": {"field": f"{AMOUNTS}.{name}"}} for name in names}
    terms = {"field": asked.split, "size": _SPLITS_MAX, "missing": _MISSING}
    by_split = cases.aggregations(asked.query, without, {_SPLIT: {"terms": terms, "aggs": sums}})
    for bucket in by_split[_SPLIT]["buckets"]:
        for currency in currencies:
            minor, billions = (round(bucket[name]["value"] or 0) for name in (currency, f"{currency}_billions"))
            if total := billions * BILLION + minor:
                found.amount_minor[currency, _text(bucket["key"])] = total


def _ranges(field: str, bounds: Sequence[int]) -> dict[str, Any]:
    return {"field": field, "ranges": [{"from": begin, "to": end} for begin, end in pairwise(bounds)]}


def _spans(answer: Mapping[str, Any], bounds: Sequence[int]) -> list[tuple[int, Mapping[str, Any]]]:
    """The buckets of the spans by number, without those before the first and after the last."""
    numbers = {begin: number for number, begin in enumerate(bounds[:-1])}
    found = ((numbers.get(round(bucket.get("from", -1))), bucket) for bucket in answer["buckets"])
    return [(number, bucket) for number, bucket in found if number is not None]


def _splits(bucket: Mapping[str, Any]) -> list[tuple[str, int]]:
    return [(_text(each["key"]), each["doc_count"]) for each in bucket[_SPLIT]["buckets"] if each["doc_count"]]


def _places(bounds: Sequence[int]) -> tuple[int, ...]:
    return tuple(place for at_ms in bounds if (place := places_opened(at_ms, None)[0]) is not None)


def _text(key: str) -> str:
    return NONE if key == _MISSING else key
