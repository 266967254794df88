"""Test cases of rules: a payment history, a payment, and whether the rule fires on it, run on the stream's engine.

The cases of the rule `<name>.yaml` are in `<name>.test.yaml`:

    defaults: {currency: EUR, direction: debit, kind: purchase, channel: web}   # fields of every payment here
    past:                                                                       # payments before every case
      - {at: -28d, repeat: 7, every: 4d, amount: 40, merchant_id: "shop-{i}"}   # {i} counts 0, 1, 2 ... in a repeat
    cases:
      - name: what happens, in a few words
        shows: firing                     # firing, near_miss or false_positive
        expect: fires                     # or silent
        outcome: block                    # optional: allow, review or block
        lists: {stolen_devices: [phone]}  # optional: what is on lists; `lists` beside `past` holds for every case
        history: [{at: -2h, amount: 3}]
        payment: {amount: 900}            # `now` of the case, by default a Wednesday at noon, UTC

`~` removes a default. All payments are on one account. A payment of the history that a reversal or capture relates to
gets an `event_id`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple, get_args

import msgspec

from fraudstream.contracts.duration import parse_duration
from fraudstream.contracts.fields import Outcome
from fraudstream.contracts.nearest_name import nearest
from fraudstream.contracts.payment import Payment
from fraudstream.contracts.timestamps import parse_utc_ms
from fraudstream.engine.contract_check import contract_faults
from fraudstream.engine.document import DocumentErrors, Node, read_document
from fraudstream.engine.engine import Engine
from fraudstream.engine.evidence import Tested, tested
from fraudstream.engine.expression import Fault, Type, ValueList
from fraudstream.engine.faulty_field import plain_fault
from fraudstream.engine.list_declarations import entry_value
from fraudstream.engine.rule_set import TEST_SUFFIX, RuleSet
from fraudstream.engine.rules import Rule
from fraudstream.engine.verdict import Verdicts

SHOWS = ("firing", "near_miss", "false_positive")
EXPECTATIONS = ("fires", "silent")
NOON = 1_772_625_600_000  # 2026-03-04T12:00:00Z, a Wednesday

_REPEAT_MAX = 500
_PAYMENTS_MAX = 2_000
_PAYMENT_KEYS = tuple(f for f in Payment.__struct_fields__ if f != "occurred_at")
_FROM_WORD = {Type.BOOL: bool, Type.NUMBER: float, Type.TEXT: str}


class Case(NamedTuple):
    """One test case. `events`: payments in order of event time; the last one is tested. `listed`: (list, value)."""

    path: str
    line: int
    name: str
    shows: str
    expect: str
    outcome: str | None
    events: tuple[Payment, ...]
    listed: tuple[tuple[str, str], ...]  # list, value


class CaseResult(NamedTuple):
    """The result of a case; it has passed if `expected` equals `actual`.

    `tested`: the rule's comparisons on the case's payment; `values`: of each field and feature in its condition, by
    name; `fired`: the rules that fired. All three are empty if the case has passed, or if a payment of it is rejected.
    """

    rule: str
    case: Case
    expected: str
    actual: str
    tested: tuple[Tested, ...] = ()
    values: Mapping[str, str] = MappingProxyType({})
    fired: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether the case has passed."""
        return self.expected == self.actual


class RuleCases(NamedTuple):
    """The results of all cases of a rule set. `without_cases`: rules that have none."""

    results: tuple[CaseResult, ...]
    without_cases: tuple[str, ...]


def read_all_cases(rule_set: RuleSet, texts: Mapping[str, str]) -> dict[str, list[Case]]:
    """The cases of each rule, by rule name. `texts`: {path in the rules directory: text}.

    Raises `DocumentErrors` with every fault in all files.
    """
    faults: list[Fault] = []
    cases_of: dict[str, list[Case]] = {}
    known = {rule.name for rule in (*rule_set.rules, *rule_set.retired)}
    for path in sorted(path for path in texts if path.endswith(TEST_SUFFIX)):
        name = path.removesuffix(TEST_SUFFIX)
        if name not in known:
            faults.append(Fault(path, 1, 1, f"there is no rule {name}.yaml next to these cases."))
            continue
        try:
            cases_of[name] = read_cases(texts[path], path, rule_set)
        except DocumentErrors as errors:
            faults.extend(errors.faults)
    if faults:
        raise DocumentErrors(faults)
    return cases_of


def run_rule_cases(rule_set: RuleSet, texts: Mapping[str, str]) -> RuleCases:
    """Run the cases of every rule. Raises `DocumentErrors` as `read_all_cases` does."""
    cases_of = read_all_cases(rule_set, texts)
    engine = Engine(rule_set)
    results = [
        _result(engine, number, case)
        for number, rule in enumerate(rule_set.rules)
        for case in cases_of.get(rule.name, [])
    ]
    return RuleCases(tuple(results), tuple(rule.name for rule in rule_set.rules if not cases_of.get(rule.name)))


def _result(engine: Engine, number: int, case: Case) -> CaseResult:
    rule = engine.rule_set.rules[number]
    expected = case.expect if case.outcome is None else f"{case.expect}, {case.outcome}"
    state = engine.new_state()
    for name, value in case.listed:
        state.lists.put(name, value, None)
    verdicts = engine.judge(case.events, state)
    if verdicts.rejected:
        first = verdicts.rejected[0]
        where = "the payment" if first.position == len(case.events) - 1 else f"payment {first.position + 1} of its past"
        return CaseResult(rule.name, case, expected, f"{where} is rejected: {first.sentence}")
    actual = "fires" if verdicts.fired[-1, number] else "silent"
    if case.outcome is not None:
        actual = f"{actual}, {verdicts.decisions()[-1].outcome}"
    result = CaseResult(rule.name, case, expected, actual)
    return result if result.passed else _with_values(result, verdicts, rule)


def _with_values(result: CaseResult, verdicts: Verdicts, rule: Rule) -> CaseResult:
    """The result with what the rule saw of the last payment."""
    row, rule_set = verdicts.row(verdicts.n - 1), verdicts.rule_set
    types = rule_set.catalogue.symbols
    comparisons = tested(rule.when.comparisons, row, rule_set.lists)
    values = {name: row.text(name, types[name]) for name in sorted(rule.when.names)}
    fired = tuple(other.name for other, fires in zip(rule_set.rules, verdicts.fired[-1], strict=True) if fires)
    return result._replace(tested=comparisons, values=values, fired=fired)


def read_cases(text: str, path: str, rule_set: RuleSet) -> list[Case]:
    """The cases of one file. Raises `DocumentErrors` with every fault in it."""
    root = read_document(text, path)
    entries = root.entries("a file of cases", ("defaults", "lists", "past", "cases"), ("cases",))
    reader = _Reader(rule_set, _words(entries["defaults"]) if "defaults" in entries else {}, entries.get("lists"))
    past = entries["past"].items("past") if "past" in entries else []
    nodes = entries["cases"].items("cases") if "cases" in entries else []
    cases = [case for node in nodes if (case := reader.case(node, past)) is not None]
    if root.faults:
        # A fault in `past` is reported again for every case.
        raise DocumentErrors(list(dict.fromkeys(root.faults)))
    return cases


class _Reader:
    def __init__(self, rule_set: RuleSet, defaults: Mapping[str, str], lists: Node | None) -> None:
        self._attributes = rule_set.catalogue.attributes
        self._lists = rule_set.lists
        self._defaults = defaults
        self._listed = self._entries(lists) if lists is not None else ()

    def case(self, node: Node, past: list[Node]) -> Case | None:
        known = ("name", "shows", "expect", "outcome", "lists", "now", "history", "payment")
        required = ("name", "shows", "expect", "payment")
        entries = node.entries("a case", known, required)
        if not set(required) <= entries.keys():
            return None
        now = _moment(entries["now"]) if "now" in entries else NOON
        history = entries["history"].items("history") if "history" in entries else []
        before = [payment for item in (*past, *history) for payment in self._repeated(item, now)]
        before.sort(key=lambda payment: payment[0])
        if len(before) > _PAYMENTS_MAX:
            node.fault(f"{len(before)} payments are too many for a case: at most {_PAYMENTS_MAX}.")
            return None
        before.append((now, _words(entries["payment"]), entries["payment"]))
        events = [self._payment(i, at, fields, place) for i, (at, fields, place) in enumerate(before)]
        self._check(events, [place for _, _, place in before])
        return Case(
            path=node.path,
            line=node.origin.line,
            name=" ".join(entries["name"].word("name").split()),
            shows=entries["shows"].choice("shows", SHOWS),
            expect=entries["expect"].choice("expect", EXPECTATIONS),
            outcome=entries["outcome"].choice("outcome", get_args(Outcome)) if "outcome" in entries else None,
            events=tuple(event for event in events if event is not None),
            listed=self._listed + (self._entries(entries["lists"]) if "lists" in entries else ()),
        )

    def _check(self, events: Sequence[Payment | None], places: Sequence[Node]) -> None:
        """A fault at the place of each event that a topic would refuse; None: it has its fault already."""
        at = [i for i, event in enumerate(events) if event is not None]
        ids: set[str] = set()
        for event, place in zip(events, places, strict=True):
            if event is not None and event.event_id in ids:
                place.fault(f"another payment of the case has the event_id '{event.event_id}'.")
            ids |= {event.event_id} if event is not None else set()
        for refused in contract_faults([event for event in events if event is not None], self._attributes):
            places[at[refused.position]].fault(f"not a valid payment: {refused.sentence}")

    def _entries(self, node: Node) -> tuple[tuple[str, str], ...]:
        """List name and value of each entry."""
        return tuple(
            (name, self._entry(self._lists[name], item))
            for name, values in node.entries("lists", tuple(self._lists)).items()
            for item in values.items(f"list '{name}'")
        )

    def _entry(self, declared: ValueList, item: Node) -> str:
        """The value of an entry; a fault where no payment can have it."""
        value = item.word("an entry")
        try:
            return entry_value(declared, value)
        except ValueError as error:
            item.fault(f"would match no payment: {error}")
            return value

    def _repeated(self, node: Node, now: int) -> Iterator[tuple[int, dict[str, str], Node]]:
        fields = _words(node)
        at, repeat, every = fields.pop("at", ""), fields.pop("repeat", "1"), fields.pop("every", "0s")
        try:
            if not at.startswith("-"):
                raise ValueError("a payment before the case needs 'at': how long before it, such as at: -2h.")
            at_ms, every_ms = now - parse_duration(at[1:]), parse_duration(every)
            if not (repeat.isdecimal() and 1 <= int(repeat) <= _REPEAT_MAX):
                raise ValueError(f"'repeat' must be a whole number from 1 to {_REPEAT_MAX}.")
            if at_ms + (int(repeat) - 1) * every_ms > now:
                raise ValueError("the last of these payments would come after the case's own.")
        except ValueError as error:
            node.fault(str(error))
            return
        for i in range(int(repeat)):
            yield at_ms + i * every_ms, {key: value.replace("{i}", str(i)) for key, value in fields.items()}, node

    def _payment(self, i: int, at: int, fields: Mapping[str, str], place: Node) -> Payment | None:
        merged = {key: value for key, value in {**self._defaults, **fields}.items() if value != "~"}
        plain = {key: value for key, value in merged.items() if not key.startswith("attributes.")}
        attributes: dict[str, bool | float | str] = {}
        try:
            for key in merged.keys() - plain.keys():
                name = key.removeprefix("attributes.")
                if name not in self._attributes:
                    raise ValueError(f"features.yaml declares no attribute '{name}'.")
                attributes[name] = msgspec.convert(merged[key], _FROM_WORD[self._attributes[name]], strict=False)
            unknown = sorted(plain.keys() - set(_PAYMENT_KEYS))
            if unknown:
                raise ValueError(f"a payment has no field '{unknown[0]}'.{nearest(unknown[0], _PAYMENT_KEYS)}")
            raw = {"account_id": "account", "event_id": f"event-{i}", **plain, "occurred_at": at}
            return msgspec.convert({**raw, "attributes": attributes or None}, Payment, strict=False)
        except msgspec.ValidationError as error:
            place.fault(f"not a valid payment: {plain_fault(str(error), 'payment').sentence}")
            return None
        except ValueError as error:
            place.fault(f"not a valid payment: {error}")
            return None


def _words(node: Node) -> dict[str, str]:
    return {key: item.word(key) for key, item in node.entries("a payment").items()}


def _moment(node: Node) -> int:
    try:
        return parse_utc_ms(node.word("now"))
    except ValueError:
        node.fault("'now' must be a date and time with its zone, such as 2026-03-04T02:30:00Z.")
        return NOON
