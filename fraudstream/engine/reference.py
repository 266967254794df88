"""The reference of `features.yaml` and of expressions, in Markdown, generated from the engine's own declarations.

`fraudstream rules reference` prints it, and docs/rules.md holds it; a test compares the two.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from fraudstream.contracts.duration import UNITS_MS, duration_text
from fraudstream.engine.aggregates.definition import Aggregate
from fraudstream.engine.aggregates.registry import REGISTRY
from fraudstream.engine.arena import FIELDS_MAX
from fraudstream.engine.catalogue import WINDOW_MAX_MS, WINDOW_MIN_MS
from fraudstream.engine.catalogue_reading import (
    FILTERS_MAX,
    PANES_MAX,
    RETENTION_MAX_MS,
    SLOTS_MAX,
    SLOTS_MIN,
    parse_catalogue,
)
from fraudstream.engine.entity_key import AMOUNT_BAND, KEY_PARTS, KEY_PARTS_MAX
from fraudstream.engine.expression import PAYMENT_DOMAINS, PAYMENT_FIELDS, WORDS_OF, Bounds, Texts, Type
from fraudstream.engine.expression.functions import function_table
from fraudstream.engine.feature_reading import PRIOR_MIN, STRENGTH_MAX
from fraudstream.engine.recent_labels import RECENT_LABELS_MAX

BEGIN: Final = "<!-- begin: fraudstream rules reference -->"
END: Final = "<!-- end: fraudstream rules reference -->"

_SMALLEST: Final = """
version: 1
entities: {account: {key: account_id}}
features: {account.n: {aggregate: count, window: 1h}}
"""


def reference() -> str:
    """The whole reference, between its two marks; ends with a line break."""
    parts = (
        ("### Keys of `features.yaml`", _keys_of_file()),
        ("### Keys of an entity", _keys_of_entity()),
        ("### Keys of a feature", _keys_of_feature()),
        ("### Aggregates", _aggregates()),
        ("### Functions", function_table()),
        ("### Fields of a payment", _fields()),
    )
    return "\n\n".join([BEGIN, *(f"{title}\n\n{table}" for title, table in parts), END]) + "\n"


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [f"| {' | '.join(cells)} |" for cells in (head, ("---",) * len(head), *rows)]
    return "\n".join(re.sub(r" +", " ", line) for line in lines)


def _keys_of_file() -> str:
    rows = (
        ("`version`", "required", "`1`"),
        ("`entities`", "required", "what state is kept for, by name; the first has the key `account_id`"),
        ("`features`", "none", "the features by name: `entity.name` with an aggregate, or a name with `derive`"),
        ("`attributes`", "none", "the attributes that expressions may read, by name: `text`, `number` or `bool`"),
        ("`labels`", "none", "how labels find their payments"),
        (
            "`labels.retention`",
            "by the features",
            f"how old a payment may be when its label comes, {duration_text(UNITS_MS['d'])} to "
            f"{duration_text(RETENTION_MAX_MS)}; by default as long as a feature looks back, and a day",
        ),
    )
    return _table(("key", "default", "value"), rows)


def _keys_of_entity() -> str:
    [entity] = parse_catalogue(_SMALLEST).entities
    least, most = duration_text(WINDOW_MIN_MS), duration_text(WINDOW_MAX_MS)
    rows = (
        (
            "`key`",
            "required",
            f"what of the payment identifies it, one or a list of up to {KEY_PARTS_MAX}: {_codes(KEY_PARTS)}, "
            "`attributes.NAME` of a declared text attribute",
        ),
        ("`optional`", "none", "a list of the parts of the key that may be missing, which is then a value of its own"),
        ("`slots`", f"`{entity.slots}`", f"payments held exactly, {SLOTS_MIN} to {SLOTS_MAX:,}"),
        ("`panes`", "none" if entity.panes == 0 else str(entity.panes), "sums of the payments that left the slots"),
        ("`panes.width`", "required", f"the span of a pane, {least} to {most}"),
        ("`panes.count`", "required", f"how many panes, 2 to {PANES_MAX}; together they cover the longest window"),
    )
    table = _table(("key", "default", "value"), rows)
    return (
        f"{table}\n\n`{AMOUNT_BAND}`: how often the amount in minor units doubles from 1. A payment that lacks a part "
        f"of a key has no such entity.\n\nThe features of one entity use at most {FILTERS_MAX} different filters and "
        f"{FIELDS_MAX} payment fields in `of` and `same`."
    )


def _keys_of_feature() -> str:
    [feature] = parse_catalogue(_SMALLEST).features
    least, most = duration_text(WINDOW_MIN_MS), duration_text(WINDOW_MAX_MS)
    rows = (
        ("`aggregate`", "required", "one of the aggregates below"),
        ("`of`", "the only choice, if there is one", "what the aggregate is computed of"),
        ("`window`", "required by most", f"a span of event time that ends at the payment, {least} to {most}"),
        ("`delay`", duration_text(feature.delay_ms), f"how long before the payment the window ends, up to {most}"),
        ("`same`", _or_none(feature.same), "only payments with this payment's value of that field count"),
        ("`where`", _or_none(feature.where), "only payments for which the condition is true count"),
        ("`includes`", f"`{str(feature.includes).lower()}`", "`false`: the payment does not count itself"),
        ("`precision`", "`exact`" if feature.exact else "`pane`", "`pane`: panes may answer, the slots need not grow"),
        ("`prior`", "by the aggregate", f"what is expected before there are payments, from {PRIOR_MIN:g}"),
        ("`strength`", "by the aggregate", f"how many payments that weighs as much as, 1 to {STRENGTH_MAX:,}"),
        ("`last`", "required by `risk_last`", f"how many labelled payments count, 1 to {RECENT_LABELS_MAX}"),
        ("`derive`", "none", "an expression of the payment's fields and other features; it excludes all other keys"),
    )
    return _table(("key", "default", "value"), rows)


def _aggregates() -> str:
    head = ("aggregate", "its value", "type", "`of`", "takes", "by pane")
    return _table(head, (_row(aggregate) for aggregate in REGISTRY.values()))


def _row(aggregate: Aggregate) -> tuple[str, ...]:
    takes = {
        "window": aggregate.windowed,
        "delay": aggregate.takes_delay,
        "same": aggregate.takes_same,
        "where": aggregate.takes_where,
        "prior": aggregate.prior is not None,
        "strength": aggregate.prior is not None,
        "last": aggregate.keeps_recent_labels,
    }
    keys = _codes(key for key, taken in takes.items() if taken)
    by_pane = "yes" if aggregate.panes is not None else ""
    return (f"`{aggregate.name}`", aggregate.summary, aggregate.type.value, aggregate.operand.described, keys, by_pane)


def _fields() -> str:
    rows = [(f"`{name}`", type_.value, _values(name)) for name, type_ in PAYMENT_FIELDS.items()]
    rows.append(("`attributes.NAME`", "as declared", "text up to 1,024 characters, a number, true or false"))
    return _table(("field", "type", "values"), rows)


def _values(name: str) -> str:
    """The values of a payment field, in words."""
    domain = PAYMENT_DOMAINS.get(name)
    if name in WORDS_OF:
        return _codes(WORDS_OF[name])
    match domain:
        case Texts("currency"):
            return "codes of ISO 4217"
        case Texts("country"):
            return "codes of ISO 3166-1 alpha-2"
        case Texts("mcc"):
            return "four digits"
        case Texts(chars_max=most):
            return f"up to {most} characters"
        case Bounds(least, most) if PAYMENT_FIELDS[name] is not Type.MONEY:
            return f"{least:g} to {most:g}" + {"weekday": ", Monday is 0, UTC", "hour": ", UTC"}.get(name, "")
        case Bounds(least):
            return "not negative" if least == 0 else ""
        case _:
            return ""


def _codes(words: Iterable[str]) -> str:
    return ", ".join(f"`{word}`" for word in words)


def _or_none(value: object) -> str:
    return "none" if value is None else f"`{value}`"
