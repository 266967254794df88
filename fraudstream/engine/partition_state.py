"""The state of one partition: the rows of every entity, list entries, and first verdicts to answer repeats with.

`take_changes` and `restore` are the two ends of a changelog. `take_changes` returns what has changed since its last
call, as records, each complete for its key; `restore` reads them back. `saved` has the format of rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec
import numpy as np

from fraudstream.contracts.fields import Outcome
from fraudstream.engine import saved
from fraudstream.engine.arena import NEVER
from fraudstream.engine.arrays import BoolArray
from fraudstream.engine.changed_rows import take_changed_rows
from fraudstream.engine.entity_state import EntityState
from fraudstream.engine.finding_table import FindingTable
from fraudstream.engine.label_index import LabelIndex
from fraudstream.engine.label_plan import LabelPlan
from fraudstream.engine.learned_score.score_state import ScoreState
from fraudstream.engine.ledger import Ledger
from fraudstream.engine.lists import Lists
from fraudstream.engine.packed_records import PackedRecords, pack_pairs
from fraudstream.engine.placement import Placement
from fraudstream.engine.plan import EntityPlan
from fraudstream.engine.restored_rows import restore_rows

_PARTITION_KEY = b"\0partition"
_FINDING_KEY = b"\0finding\0"
_LEDGER_KEY = b"\0ledger\0"
_LIST_KEY = b"\0list\0"
_SCORE_KEY = b"\0score\0"
_LABELS_KEY = b"\0labels\0"
_PIECE_PAGES = 256  # pages of the label index in a piece of records


def score_records(records: PackedRecords) -> list[tuple[bytes, bytes]]:
    """The records of a learned score among saved ones, as `ScoreState.restore` takes them."""
    keys = records.keys
    beside = np.flatnonzero(keys.buffer[keys.at] == 0)
    pairs = PackedRecords(keys.rows(beside), records.values.rows(beside)).pairs()
    return [(key.removeprefix(_SCORE_KEY), value) for key, value in pairs if key.startswith(_SCORE_KEY)]


class Finding(NamedTuple):
    """A verdict without its score. Few different ones occur, so a slot holds only an index into a list of them.

    `rule_set`: digest of the rules that decided. `rules`, `shadow_rules`: names of the rules that fired.
    """

    rule_set: str
    outcome: Outcome
    rules: tuple[str, ...]
    shadow_rules: tuple[str, ...]


class _Partition(msgspec.Struct, omit_defaults=True):
    """What is saved of a partition in addition to its rows. `verdicts`: how many verdicts the ledger has entered in
    total. `label_index`: as `LabelIndex.position`."""

    watermark_ms: int
    since_ms: int | None = None
    verdicts: int = 0
    label_index: tuple[int, int, int] = (0, 0, NEVER)


class PartitionState:
    """The state of one partition under one catalogue. `Engine.new_state` creates it; the engine reads and writes it.

    `entities`: one for each entity of the stage. `lists`: the list entries in force. `findings`: the different verdicts
    given so far. `watermark_ms`: the newest event time seen, ms since the epoch; `NEVER` before the first payment.
    `since_ms`: when the first applied record was published, ms since the epoch, or the first one after a gap in the
    log; None if the state covers its log from the beginning. `ledger`: first verdicts; None where the slots of the
    first entity hold them. `rule_set`: digest of the rules in force. `key_fingerprint`: of the digest key that the rows
    are written under. `sources`: the highest offset received from each partition of the previous stage, by the
    partition's number, as text; in the first stage, that of copies from another partition of its log. A checkpoint
    saves the last three with the changes. `placement`: where records of its log belong; None if that is not checked.
    `labels`: finds the payments of labels; None if nothing reads labels. `learned`: by the score; None if it learns
    nothing.

    `state_version`: several versions may be built from one log. `backfilling`: this version applies the log without
    publishing verdicts, until a rule-set switch names it. `cut_over_to`: the later version that such a switch named;
    this one reads no further.
    """

    def __init__(
        self,
        plans: Sequence[EntityPlan],
        rule_set: str,
        key_fingerprint: str,
        ledger: Ledger | None = None,
        labels: LabelPlan | None = None,
        learned: ScoreState | None = None,
    ) -> None:
        self.learned = learned
        self.entities = tuple(EntityState(plan) for plan in plans)
        rows = {entity.plan.entity.name: entity.index for entity in self.entities}
        self.labels = LabelIndex(labels, rows) if labels is not None else None
        self.ledger = ledger
        self.rule_set = rule_set
        self.key_fingerprint = key_fingerprint
        self.lists = Lists()
        self.state_version = 1
        self.backfilling = False
        self.cut_over_to: int | None = None
        self.sources: dict[str, int] = {}
        self.placement: Placement | None = None
        self.findings: list[Finding] = []
        self.watermark_ms = NEVER
        self.since_ms: int | None = None
        self._beginning_lost = False
        self._numbers: dict[Finding, int] = {}
        self._findings_saved = 0
        self._tables: dict[str, FindingTable] = {}
        self._alerting: BoolArray = np.zeros(0, np.bool_)
        self._saved = self._partition

    @property
    def cut_over(self) -> bool:
        """Whether a later state version decides this partition now."""
        return self.cut_over_to is not None

    def miss_the_beginning(self) -> None:
        """Retention has deleted the beginning of the log: set `since_ms` at the first record applied."""
        self._beginning_lost = True

    def miss_records(self) -> None:
        """Retention has deleted records in the middle of the log: set `since_ms` at the next record applied, as windows
        that reach back before it are incomplete."""
        self._beginning_lost, self.since_ms = True, None

    def begin(self, published_at_ms: int) -> None:
        """A record published at this time, ms since the epoch, is about to be applied."""
        if self._beginning_lost and self.since_ms is None:
            self.since_ms = published_at_ms

    def number_of(self, finding: Finding) -> int:
        """Index of the finding in `findings`; it is added if it is new."""
        number = self._numbers.get(finding)
        if number is None:
            number = self._numbers[finding] = len(self.findings)
            self.findings.append(finding)
        return number

    def finding_table(self, rule_set: str, words: int) -> FindingTable:
        """The numbers of the findings that a rule set came to, by the rules that fired. `rule_set`: its digest;
        `words`: of the bits of its rules."""
        table = self._tables.get(rule_set)
        if table is None:
            table = self._tables[rule_set] = FindingTable(words)
        return table

    @property
    def alerting(self) -> BoolArray:
        """Of each finding: whether its payments are alerted; bool, shape (findings,)."""
        if len(self._alerting) != len(self.findings):
            self._alerting = np.array([finding.outcome != "allow" for finding in self.findings], np.bool_)
        return self._alerting

    @property
    def rows(self) -> int:
        """Number of rows of all entities."""
        return sum(entity.index.rows for entity in self.entities)

    @property
    def memory_bytes(self) -> int:
        """Bytes of RAM that the arenas in use and the label index take, without the keys."""
        of_labels = self.labels.memory_bytes if self.labels is not None else 0
        return sum(entity.arena.memory_bytes for entity in self.entities) + of_labels

    @property
    def layout(self) -> str:
        """Identifies the format of the rows: records saved under another layout cannot be restored here."""
        parts = [entity.plan.layout for entity in self.entities]
        parts += ["ledger"] if self.ledger is not None else []
        parts += [f"labels {self.labels.plan.layout}"] if self.labels is not None else []
        parts += [f"score {self.learned.layout}"] if self.learned is not None else []
        return "-".join(parts)

    def take_changes(self) -> list[PackedRecords]:
        """The records of everything that has changed since the last call, in pieces; they count as saved from now
        on."""
        few = self._changes_beside_rows()
        pieces = [pack_pairs(few)] if few else []
        pages = self._changed_pages()
        pieces += [pack_pairs(pages[at : at + _PIECE_PAGES]) for at in range(0, len(pages), _PIECE_PAGES)]
        for entity in self.entities:
            pieces += take_changed_rows(entity.plan.entity.name, entity.index, entity.arena)
        return pieces

    def changes(self) -> list[tuple[bytes, bytes]]:
        """As `take_changes`: keys and values as Python objects."""
        return [pair for piece in self.take_changes() for pair in piece.pairs()]

    def _changes_beside_rows(self) -> list[tuple[bytes, bytes]]:
        records: list[tuple[bytes, bytes]] = []
        chunks = self.ledger.changes() if self.ledger is not None else []
        if self._partition != self._saved:
            self._saved = self._partition
            records.append((_PARTITION_KEY, msgspec.json.encode(self._saved)))
        records += [(_LEDGER_KEY + b"%d" % number, entries) for number, entries in chunks]
        for number in range(self._findings_saved, len(self.findings)):
            records.append((_FINDING_KEY + b"%d" % number, msgspec.json.encode(self.findings[number])))
        self._findings_saved = len(self.findings)
        if self.learned is not None:
            records += [(_SCORE_KEY + key, value) for key, value in self.learned.changes()]
        return records + [(_LIST_KEY + key, value) for key, value in self.lists.changes()]

    def _changed_pages(self) -> list[tuple[bytes, bytes]]:
        """The records of the label index."""
        changed = [] if self.labels is None else self.labels.changes()
        return [(_LABELS_KEY + key, content) for key, content in changed]

    def restore(self, records: Iterable[tuple[bytes, bytes]]) -> None:
        """As `restore_packed`, of keys and values."""
        self.restore_packed(pack_pairs(records))

    def restore_packed(self, records: PackedRecords) -> None:
        """Apply saved records in the order in which they were saved. Raises `ValueError` for one of another layout."""
        keys = records.keys
        beside = np.flatnonzero(keys.buffer[keys.at] == 0)
        self._restore_beside_rows(PackedRecords(keys.rows(beside), records.values.rows(beside)))
        rest = records.n - len(beside)
        for entity in self.entities:
            rest -= restore_rows(entity.plan.entity.name, records, entity.index, entity.arena)
        if rest:
            self._refuse_unknown_entity(records)

    def _refuse_unknown_entity(self, records: PackedRecords) -> None:
        known = {entity.plan.entity.name for entity in self.entities}
        names = [saved.read_key(key)[0] for key, _ in records.pairs() if key[:1] != b"\0"]
        unknown = next(name for name in names if name not in known)
        raise ValueError(f"a saved row belongs to the entity '{unknown}', which the catalogue does not have.")

    def _restore_beside_rows(self, records: PackedRecords) -> None:
        """Restore what is not rows. Of records with one key, the last one counts."""
        whole = self._partition
        chunks: list[tuple[int, bytes]] = []
        labels: list[tuple[bytes, bytes]] = []
        for key, value in dict(records.pairs()).items():
            if key == _PARTITION_KEY:
                whole = msgspec.json.decode(value, type=_Partition)
            elif key.startswith(_LEDGER_KEY):
                chunks.append((int(key.removeprefix(_LEDGER_KEY)), value))
            elif key.startswith(_FINDING_KEY):
                self._restore_finding(int(key.removeprefix(_FINDING_KEY)), value)
            elif key.startswith(_LIST_KEY):
                self.lists.restore(key.removeprefix(_LIST_KEY), value)
            elif key.startswith(_SCORE_KEY) and self.learned is not None:
                self.learned.restore(key.removeprefix(_SCORE_KEY), value)
            elif key.startswith(_LABELS_KEY):
                labels.append((key.removeprefix(_LABELS_KEY), value))
            else:
                raise ValueError(f"a saved record has the key {key!r}, which this version does not know.")
        self.watermark_ms, self.since_ms, self._saved = whole.watermark_ms, whole.since_ms, whole
        if self.ledger is not None:
            self.ledger.restore(chunks, whole.verdicts)
        elif chunks:
            raise ValueError("the saved rows have a ledger of first verdicts, which this stage does not keep.")
        if self.learned is not None:
            self.learned.restored()
        if self.labels is not None:
            self.labels.restore(labels, whole.label_index)
        elif labels:
            raise ValueError("the saved rows have a label index, which this stage does not keep.")

    @property
    def _partition(self) -> _Partition:
        return _Partition(
            self.watermark_ms,
            self.since_ms,
            self.ledger.count if self.ledger is not None else 0,
            self.labels.position if self.labels is not None else _Partition.__struct_defaults__[-1],
        )

    def _restore_finding(self, number: int, value: bytes) -> None:
        finding = msgspec.json.decode(value, type=Finding)
        missing = number + 1 - len(self.findings)
        if missing > 0:  # compaction may put a later record first
            self.findings += [finding] * missing
        self.findings[number] = finding
        self._numbers[finding] = number
        self._findings_saved = len(self.findings)
        self._tables, self._alerting = {}, np.zeros(0, np.bool_)
