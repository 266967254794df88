"""Checks the chains of an audit log: nothing was changed, removed, moved or cut off. Pure: records in, faults out.

What it cannot show by itself is that somebody who may write to the topic replaced the whole of it. `Verification.heads`
are for that: noted elsewhere, they are looked for in a later check (`expected`).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import Final, Literal, NamedTuple

import msgspec

from fraudstream.audit.chain import HEADS_WITHIN, digest_of
from fraudstream.contracts.audit_record import ChainHead
from fraudstream.contracts.undecodable import UNDECODABLE

FaultKind = Literal["unreadable", "changed", "gap", "reordered", "no_start", "end_missing"]

_REMEMBERED: Final = 100 * HEADS_WITHIN  # records in which a named head is looked for


class _Link(msgspec.Struct):
    """What links a record, without its event: a later version may have events that this one does not know."""

    chain: str
    sequence: int
    previous: str | None = None
    heads: tuple[ChainHead, ...] = ()


class Fault(NamedTuple):
    """A fault of `chain` (None if the record cannot be read), found at `offset`. `sentence`: what is wrong."""

    kind: FaultKind
    chain: str | None
    offset: int
    sentence: str


class ChainSummary(NamedTuple):
    """A chain as far as it was read: offsets and sequences of its first and last record, and the last one's digest."""

    chain: str
    first_offset: int
    first_sequence: int
    last_offset: int
    last_sequence: int
    digest: str

    @property
    def head(self) -> ChainHead:
        """Its last record."""
        return ChainHead(self.chain, self.last_sequence, self.digest)


class Verification:
    """Checks records one by one. `is_whole`: the log is read from its first record on; else older records have been
    removed by retention, and chains may begin in the middle. `expected`: heads noted at an earlier check."""

    def __init__(self, *, is_whole: bool, expected: Iterable[ChainHead] = ()) -> None:
        self.records = 0
        self.faults: list[Fault] = []
        self.chains: dict[str, ChainSummary] = {}
        self._is_whole = is_whole
        self._expected = {(head.chain, head.sequence): head for head in expected}
        self._recent: OrderedDict[tuple[str, int], str] = OrderedDict()
        self._decode = msgspec.json.Decoder(_Link).decode

    def add(self, offset: int, value: bytes) -> None:
        """Check the next record of the log."""
        self.records += 1
        try:
            link = self._decode(value)
        except UNDECODABLE as error:
            self._fault("unreadable", None, offset, f"not an audit record: {error}")
            return
        digest, before = digest_of(value), self.chains.get(link.chain)
        if before is None:
            self._check_first(offset, link)
        else:
            self._check_next(offset, link, before)
        for head in link.heads:
            self._check_head(offset, link.chain, head)
        if before is None or link.sequence > before.last_sequence:
            self._keep(offset, link, digest, before)

    def finish(self) -> None:
        """Every record was added: look for the expected heads."""
        for head in self._expected.values():
            self._fault("end_missing", head.chain, -1, f"sequence {head.sequence} was noted earlier and is not there")

    def _check_first(self, offset: int, link: _Link) -> None:
        if link.sequence > 0 and (self._is_whole or self.records > HEADS_WITHIN):
            self._fault("no_start", link.chain, offset, f"begins with sequence {link.sequence}: those before are gone")

    def _check_next(self, offset: int, link: _Link, before: ChainSummary) -> None:
        if link.sequence <= before.last_sequence:
            sentence = f"sequence {link.sequence} comes after {before.last_sequence}"
            self._fault("reordered", link.chain, offset, sentence)
        elif link.sequence > before.last_sequence + 1:
            gone = f"{before.last_sequence + 1} to {link.sequence - 1}"
            self._fault("gap", link.chain, offset, f"sequences {gone} are missing before this record")
        elif link.previous != before.digest:
            sentence = f"the record at offset {before.last_offset} is not the one that offset {offset} is linked to"
            self._fault("changed", link.chain, before.last_offset, sentence)

    def _check_head(self, offset: int, namer: str, head: ChainHead) -> None:
        """A chain named `head` at its start, so that record must be before it."""
        found = self._recent.get((head.chain, head.sequence))
        if found == head.digest:
            return
        chain = self.chains.get(head.chain)
        if found is not None:
            sentence = f"sequence {head.sequence} is not the record that chain {namer[:8]} names at offset {offset}"
            self._fault("changed", head.chain, offset, sentence)
        elif chain is not None or self._is_whole or self.records > HEADS_WITHIN:
            last = "no record of it is there" if chain is None else f"its last record has {chain.last_sequence}"
            sentence = f"chain {namer[:8]} names its sequence {head.sequence} at offset {offset}; {last}"
            self._fault("end_missing", head.chain, offset, sentence)

    def _keep(self, offset: int, link: _Link, digest: str, before: ChainSummary | None) -> None:
        first = (offset, link.sequence) if before is None else (before.first_offset, before.first_sequence)
        self.chains[link.chain] = ChainSummary(link.chain, *first, offset, link.sequence, digest)
        key = (link.chain, link.sequence)
        self._recent[key] = digest
        if len(self._recent) > _REMEMBERED:
            self._recent.popitem(last=False)
        if (expected := self._expected.pop(key, None)) is not None and expected.digest != digest:
            sentence = f"sequence {link.sequence} is not the record that was noted earlier"
            self._fault("changed", link.chain, offset, sentence)

    def _fault(self, kind: FaultKind, chain: str | None, offset: int, sentence: str) -> None:
        self.faults.append(Fault(kind, chain, offset, sentence))
