"""What is found of a case: its row, the words of its texts, and its ids."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Final, NamedTuple

import msgspec

from fraudstream.cases.amounts import AlertError, amount_minor
from fraudstream.console.case_row import CaseRow, row_of
from fraudstream.console.search.words import spaced_words, words_of
from fraudstream.contracts import Case

log = logging.getLogger(__name__)

ID_CHARACTERS_MIN: Final = 3  # of the beginning of an id; fewer are found as a whole id alone


class CaseEntry(msgspec.Struct, frozen=True, gc=False):
    """A case as the index has it. `text`: the words of notes, rules, tags and the reason of a snooze, between spaces.
    `account_text`: likewise of the ids of its accounts. `ids`: of its payments and linked cases.
    `alerted_at_ms`: the time of the payment of each listed alert. `amount_minor`: its sums by currency."""

    row: CaseRow
    text: str
    account_text: str
    ids: tuple[str, ...]
    alerted_at_ms: tuple[int, ...]
    amount_minor: Mapping[str, int]

    def has(self, searched: SearchedText, *, account_parts: bool) -> bool:
        """Whether each part of the text is among the words, or an id or the beginning of one. Without `account_parts`
        an account id is found as a whole alone."""
        words = frozenset(self.text.split())
        return all(
            (part.words and part.words <= words) or self._has_id(part) or self._has_account(part, account_parts)
            for part in searched
        )

    def _has_id(self, part: SearchedPart) -> bool:
        if part.is_prefix:
            return self.row.case_id.startswith(part.text) or any(each.startswith(part.text) for each in self.ids)
        return part.text == self.row.case_id or part.text in self.ids

    def _has_account(self, part: SearchedPart, parts: bool) -> bool:
        accounts = self.row.accounts
        if part.text in accounts or not parts:
            return part.text in accounts
        if part.is_prefix and any(each.startswith(part.text) for each in accounts):
            return True
        return bool(part.words) and part.words <= set(self.account_text.split())


class SearchedPart(NamedTuple):
    """A part of a searched text, between spaces. `is_prefix`: it is long enough to be the beginning of an id."""

    text: str
    words: frozenset[str]

    @property
    def is_prefix(self) -> bool:
        """Whether ids that begin with it are found, too."""
        return len(self.text) >= ID_CHARACTERS_MIN


SearchedText = tuple[SearchedPart, ...]


def searched_text(text: str) -> SearchedText:
    """The parts of a text that is searched for; all must be found."""
    return tuple(SearchedPart(part, frozenset(words_of(part))) for part in text.split())


def entry_of(case: Case, partition: int) -> CaseEntry:
    """The entry of `case`, which is in that partition of the topic `cases`."""
    texts = [*case.rules, *case.tags, *(note.text for note in case.notes)]
    if case.snooze is not None:
        texts.append(case.snooze.reason)
    return CaseEntry(
        row=row_of(case, partition),
        text=spaced_words("\n".join(texts)),
        account_text=spaced_words("\n".join(case.accounts)),
        ids=(*case.links, *[line.event_id for line in case.alerts]),
        alerted_at_ms=tuple(line.occurred_at_ms for line in case.alerts),
        amount_minor=_amounts_of(case),
    )


def _amounts_of(case: Case) -> dict[str, int]:
    """The sums of a case in minor units. A total that is no amount, as the case agent writes none, is left out."""
    amounts: dict[str, int] = {}
    for currency, text in case.amount_totals.items():
        try:
            amounts[currency] = amount_minor(text, currency)
        except AlertError as error:
            log.warning("case %s: %s; the overview does not count it", case.case_id, error)
    return amounts
