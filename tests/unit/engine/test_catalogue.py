"""The feature catalogue: what it accepts, and that every fault is a whole sentence with its position."""

from __future__ import annotations

from pathlib import Path

import pytest

from fraudstream.engine.aggregates.registry import REGISTRY
from fraudstream.engine.arena import Arena
from fraudstream.engine.catalogue import Catalogue
from fraudstream.engine.catalogue_reading import parse_catalogue
from fraudstream.engine.document import DocumentErrors
from fraudstream.engine.expression import Type
from fraudstream.engine.plan import plan_entity

ROW_BYTES_MAX = 5 * 1024
ACCOUNT_ONLY = Path(__file__).parents[3] / "examples" / "account_only" / "features.yaml"

ACCOUNT = "version: 1\nentities: {account: {key: account_id, slots: 8, panes: {width: 2d, count: 16}}}\n"
KEYS = (
    "currency, direction, kind, channel, partner_id, merchant_id, mcc, terminal_id, counterparty_id, "
    "counterparty_bank, device_id, ip, country"
)
KEY_PARTS = f"account_id, {KEYS}, hour, weekday, card_present, amount_band"


def faults(text: str) -> list[str]:
    with pytest.raises(DocumentErrors) as failure:
        parse_catalogue(text, "f.yaml")
    return [str(fault).splitlines()[0] for fault in failure.value.faults]


def feature(entry: str, name: str = "account.x") -> str:
    return f"{ACCOUNT}features:\n  {name}: {{{entry}}}\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("version: 1", "f.yaml:1:1: the catalogue lacks the key 'entities'. Add it."),
        ("version: 2\nentities: {a: {key: account_id}}", "f.yaml:1:10: this release reads catalogues of version 1."),
        (
            "version: 1\nentities: {device: {key: device_id}}",
            "f.yaml:2:11: the first entity must have the key 'account_id': it finds duplicates and keeps the order of "
            "each account.",
        ),
        (
            "version: 1\nentities: {a: {key: acount_id}}",
            "f.yaml:2:21: the key of entity 'a' can't be 'acount_id'. Nearest: 'account_id'. Choose from: "
            f"{KEY_PARTS}.",
        ),
        (
            "version: 1\nentities: {a: {key: account_id}, b: {key: [mcc, chanel]}}",
            "f.yaml:2:49: a part of the key of entity 'b' can't be 'chanel'. Nearest: 'channel'. Choose from: "
            f"{KEY_PARTS}.",
        ),
        (
            "version: 1\nentities: {a: {key: account_id}, b: {key: [mcc, mcc]}}",
            "f.yaml:2:43: the key of entity 'b' has 2 parts: it needs 1 to 6, each once.",
        ),
        (
            "version: 1\nentities: {a: {key: account_id}, b: {key: [mcc, channel], optional: [mcc, channel]}}",
            "f.yaml:2:69: the key of entity 'b' needs a part that is not optional.",
        ),
        (
            "version: 1\nentities: {a: {key: account_id}, b: {key: [mcc, hour], optional: [channel]}}",
            "f.yaml:2:67: optional can't be 'channel'. Choose from: mcc, hour.",
        ),
        (
            "version: 1\nentities: {a: {key: account_id}, b: {key: []}}",
            "f.yaml:2:43: the key of entity 'b' has 0 parts: it needs 1 to 6, each once.",
        ),
        (
            "version: 1\nentities: {a: {key: [account_id, hour]}}",
            "f.yaml:2:11: the first entity must have the key 'account_id': it finds duplicates and keeps the order of "
            "each account.",
        ),
        (
            "version: 1\nentities: {a: {key: account_id, slots: 3}}",
            "f.yaml:2:40: slots must be a whole number from 4 to 4096.",
        ),
        (
            "version: 1\nentities: {a: {key: account_id, slots: 4.5}}",
            "f.yaml:2:40: slots must be a whole number from 4 to 4096.",
        ),
        (
            "version: 1\nentities: {a: {key: account_id, panes: {width: 2d}}}",
            "f.yaml:2:40: panes lacks the key 'count'. Add it.",
        ),
        (
            "version: 1\nentities: {a: {key: account_id, panes: {width: 2y, count: 3}}}",
            "f.yaml:2:48: the width of a pane: '2y' is not a duration. Write a whole number and a unit, as in 90s, "
            "15m, 24h, 30d, 2w.",
        ),
        (
            "version: 1\nentities: {a: {key: account_id}}\nattributes: {x: integer}",
            "f.yaml:3:17: the type of attribute 'x' can't be 'integer'. Choose from: text, number, bool.",
        ),
        (
            "version: 1\nentities: {a: {key: account_id}}\nattributes: {amount: number}",
            "f.yaml:3:22: 'amount' can't be a name here: small letters, digits and '_', and not the name of a payment "
            "field.",
        ),
        (
            "version: 1\nentities: {a: {key: account_id}}\nfeatures: {late: {derive: hour > 22, window: 1h}}",
            "f.yaml:3:18: feature 'late' is derived: it has no other key than 'derive'.",
        ),
        (
            "version: 1\nentities: {a: {key: account_id}}\nfeature: {}",
            "f.yaml:3:1: the catalogue has no key 'feature'. Nearest: 'features'. Known: version, attributes, "
            "entities, features, labels.",
        ),
    ],
)
def test_a_fault_of_the_catalogue_is_reported_at_its_position(text: str, said: str) -> None:
    assert faults(text) == [said]


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        (
            "aggregate: cuont, window: 1h",
            f"4:26: aggregate can't be 'cuont'. Nearest: 'count'. Choose from: {', '.join(REGISTRY)}.",
        ),
        ("window: 1h", "4:14: feature 'account.x' lacks the key 'aggregate'. Add it."),
        ("aggregate: count", "4:14: 'count' needs a window, from 1m to 90d: window: 24h."),
        ("aggregate: count, window: 59s", "4:41: a window must be from 1m to 90d."),
        ("aggregate: count, window: 91d", "4:41: a window must be from 1m to 90d."),
        ("aggregate: count, window: 1h, delay: 91d", "4:52: a delay must be from 0m to 90d."),
        ("aggregate: count, window: 1h, of: amount", "4:49: 'count' takes no 'of'."),
        ("aggregate: distinct, window: 1h", "4:14: 'distinct' needs an operand, such as of: currency."),
        ("aggregate: sum, of: lat, window: 1h", "4:35: of can't be 'lat'. Choose from: amount."),
        (
            "aggregate: share, of: frauds, window: 1h",
            "4:37: of can't be 'frauds'. Nearest: 'fraud'. Choose from: fraud, genuine.",
        ),
        ("aggregate: age, window: 1h", "4:39: 'age' takes no window."),
        ("aggregate: age, delay: 1h", "4:38: 'age' takes no delay."),
        ("aggregate: age, where: card_present", "4:38: 'age' takes no 'where'."),
        ("aggregate: first_seen, of: device_id, window: 1d, delay: 1h", "4:72: 'first_seen' takes no delay."),
        ("aggregate: first_seen, of: device_id, same: country, window: 1d", "4:59: 'first_seen' takes no 'same'."),
        (
            'aggregate: count, window: 1h, where: direction == "debet"',
            "4:65: direction is never 'debet'; it is one of debit, credit. Nearest: 'debit'.",
        ),
        (
            "aggregate: count, window: 1h, where: amount",
            "4:52: 'amount' is an amount of money, where true or false is expected: compare it with something.",
        ),
        (
            "aggregate: distinct, of: ip, window: 1h, precision: pane",
            "4:67: 'distinct' can't be kept by pane. Use exact.",
        ),
        (
            "aggregate: median, window: 3d, precision: pane",
            "4:57: 'median' can't be kept by pane. Use exact.",
        ),
        ("aggregate: median, of: lat, window: 3d", "4:38: of can't be 'lat'. Choose from: amount."),
        ("aggregate: last, of: country, window: 3d", "4:53: 'last' takes no window."),
        (
            "aggregate: last, of: device_id",
            "4:36: of can't be 'device_id'. Choose from: channel, country, currency, direction, kind, mcc.",
        ),
        ("aggregate: median", "4:14: 'median' needs a window, from 1m to 90d: window: 24h."),
        (
            "aggregate: count, same: ip, window: 3d, precision: pane",
            "4:66: 'count' with same can't be kept by pane. Use exact.",
        ),
        (
            "aggregate: count, window: 1h, precision: pane",
            "1:1: 'account.x' is to be kept by pane, but entity 'account' has no panes narrower than its window.",
        ),
        (
            "aggregate: count, window: 40d",
            "1:1: the panes of entity 'account' reach back 720 h, its longest window 960 h. Raise the width or the "
            "count of its panes.",
        ),
        ("aggregate: count, window: 1h, includes: yes", "4:55: includes can't be 'yes'. Choose from: true, false."),
        (
            "aggregate: count, window: 1h, windw: 2h",
            "4:45: feature 'account.x' has no key 'windw'. Nearest: 'window'. Known: aggregate, of, same, window, "
            "delay, where, includes, precision, prior, strength, last.",
        ),
        ("aggregate: count, window: 1h, prior: 1", "4:52: 'count' takes no 'prior'."),
        (
            "aggregate: z_score, of: log_amount, window: 1h, prior: 0",
            "4:70: prior must be from 1e-05 to 100.",
        ),
        (
            "aggregate: z_score, of: amount, window: 1h, strength: 0",
            "4:69: strength must be a whole number from 1 to 10000.",
        ),
        ("aggregate: z_score, window: 1h", "4:14: 'z_score' needs an operand, such as of: amount."),
        (
            "aggregate: rarity, of: mcc, window: 1h, precision: pane",
            "4:66: 'rarity' can't be kept by pane. Use exact.",
        ),
    ],
)
def test_a_fault_of_a_feature_is_reported_at_its_position(entry: str, said: str) -> None:
    assert faults(feature(entry)) == [f"f.yaml:{said}"]


def test_a_feature_of_an_unknown_entity_gets_the_nearest_name() -> None:
    assert faults(feature("aggregate: age", "acount.x")) == [
        "f.yaml:4:13: 'acount.x' belongs to no entity. Nearest: 'account'. Name it entity.feature; entities: account."
    ]


def test_every_fault_is_reported_at_once() -> None:
    entries = ("account.a: {aggregate: cuont}", "account.b: {aggregate: count}", "c: {derive: amuont}")
    text = f"{ACCOUNT}features:\n" + "".join(f"  {entry}\n" for entry in entries)
    assert len(faults(text)) == 4  # an unknown aggregate is taken for the first, which needs a window too


def test_more_fields_than_slots_hold_are_refused() -> None:
    fields = KEYS.split(", ")[:9]
    lines = [f"  account.f{n}: {{aggregate: distinct, of: {field}, window: 1h}}\n" for n, field in enumerate(fields)]
    assert faults(f"{ACCOUNT}features:\n{''.join(lines)}") == [
        "f.yaml:1:1: entity 'account' reads 9 payment fields (of, same); at most 8 are allowed."
    ]


def test_more_filters_than_a_mask_has_bits_are_refused() -> None:
    lines = [f"  account.f{n}: {{aggregate: count, window: 1h, where: amount > {n}}}\n" for n in range(30)]
    assert faults(f"{ACCOUNT}features:\n{''.join(lines)}") == [
        "f.yaml:1:1: entity 'account' has 30 different filters (where); at most 29 are allowed."
    ]
    assert len(parse_catalogue(f"{ACCOUNT}features:\n{''.join(lines[:29])}").features) == 29


@pytest.mark.parametrize("aggregate", REGISTRY)
def test_every_aggregate_has_its_type(aggregate: str) -> None:
    operands = {"distinct": "ip", "first_seen": "ip", "share": "fraud", "last": "mcc", "z_score": "amount"}
    of = {**operands, "rarity": "hour"}.get(aggregate)
    entry = f"aggregate: {aggregate}" + (f", of: {of}" if of else "")
    if REGISTRY[aggregate].windowed:
        entry += ", window: 1h"
    entry += ", last: 2" if REGISTRY[aggregate].keeps_recent_labels else ""
    type_ = parse_catalogue(feature(entry)).symbols["account.x"]
    if REGISTRY[aggregate].is_of_amounts and aggregate != "z_score":
        assert type_ is Type.MONEY
    elif aggregate in ("since_last", "age"):
        assert type_ is Type.DURATION
    else:
        assert type_ is {"first_seen": Type.BOOL, "last": Type.TEXT}.get(aggregate, Type.NUMBER)


def test_symbols_are_fields_attributes_features_and_what_is_derived() -> None:
    text = f"{feature('aggregate: age')}  late: {{derive: hour > 22}}\nattributes: {{risk: number}}\n"
    symbols = parse_catalogue(text).symbols
    assert {name: symbols[name] for name in ("amount", "attributes.risk", "account.x", "late")} == {
        "amount": Type.MONEY,
        "attributes.risk": Type.NUMBER,
        "account.x": Type.DURATION,
        "late": Type.BOOL,
    }


def test_a_busy_row_of_accounts_alone_stays_within_its_budget() -> None:
    catalogue = account_only()
    assert Arena(plan_entity(catalogue, catalogue.entities[0]).shape).row_bytes_max <= ROW_BYTES_MAX


def test_the_layout_follows_what_rows_hold_and_nothing_else() -> None:
    text = ACCOUNT_ONLY.read_text()
    assert layout(text + "# a comment\n") == layout(text)
    assert layout(text.replace("window: 1h", "window: 2h")) == layout(text)  # the same rows, read otherwise
    assert layout(text.replace('direction == "credit"', 'direction == "debit"')) != layout(text)
    assert layout(text.replace("width: 3d", "width: 4d")) != layout(text)


def layout(text: str) -> str:
    catalogue = parse_catalogue(text)
    return plan_entity(catalogue, catalogue.entities[0]).layout


def account_only() -> Catalogue:
    return parse_catalogue(ACCOUNT_ONLY.read_text())
