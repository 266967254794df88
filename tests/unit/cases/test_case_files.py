"""Files of a case: what the record says of them, and what is refused. The bytes are the evidence store's."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from fraudstream.cases.grouping import ALERTS_BYTES_MAX, case_id_of
from fraudstream.cases.held import Held, HeldPair
from fraudstream.cases.refusal import FILES_MAX, NOTES_BYTES_MAX, RejectedAction
from fraudstream.cases.steps import STEPS_BYTES_MAX
from fraudstream.cases.store import CaseStore
from fraudstream.contracts import Case, CaseAction
from fraudstream.contracts.attached_file import AttachedFile, FileDescription
from tests.unit.cases.events import action, alert, description

FIRST, SECOND = case_id_of("acc-1", "a1"), case_id_of("acc-2", "b1")


def two_cases() -> CaseStore:
    store = CaseStore()
    store.alert(alert("a1"), None)
    store.alert(alert("b1", account_id="acc-2"), None)
    return store


def attach(store: CaseStore, file: FileDescription, case_id: str = FIRST, **fields: Any) -> Any:
    account_id = "acc-1" if case_id == FIRST else "acc-2"
    action_id = f"attach-{case_id}-{file.sha256}"
    return store.act(action("attach", case_id, action_id=action_id, account_id=account_id, file=file, **fields))


def case_of(store: CaseStore, case_id: str = FIRST) -> Case:
    found = store.case(case_id)
    assert found is not None
    return found


def test_a_file_is_listed_with_who_added_it_and_when() -> None:
    store = two_cases()
    attached = attach(store, description("a", media_type="application/pdf"), acted_at=7_000)
    assert isinstance(attached, Held)
    expected = AttachedFile("a" * 64, "a.pdf", 10, "application/pdf", "ann", 7_000)
    assert attached.case.files == (expected,)
    assert [(step.action, step.detail) for step in attached.case.steps] == [("attach", "a" * 12)]  # no name of a file


def test_a_file_leaves_with_a_reason_in_the_notes() -> None:
    store = two_cases()
    attach(store, description("a"))
    attach(store, description("b"))
    left = store.act(action("detach", FIRST, "bob", sha256="a" * 64, note="of another customer"))
    assert isinstance(left, Held)
    assert [file.sha256[0] for file in left.case.files] == ["b"]
    assert [(note.actor, note.action, note.text) for note in left.case.notes] == [
        ("bob", "detach", "of another customer")
    ]


def test_the_same_bytes_are_not_added_twice_and_what_is_not_there_is_not_removed() -> None:
    store = two_cases()
    attach(store, description("a"))
    again = store.act(action("attach", FIRST, action_id="2", file=description("a", file_name="other.pdf")))
    assert isinstance(again, RejectedAction)
    assert again.code == "already_attached"
    gone = store.act(action("detach", FIRST, sha256="b" * 64, note="r"))
    assert isinstance(gone, RejectedAction)
    assert gone.code == "not_attached"


def test_a_case_holds_so_many_files_and_stays_below_the_largest_record() -> None:
    store = two_cases()
    name = "\u0001" * 200  # the longest as JSON
    for number in range(FILES_MAX):
        file = FileDescription(f"{number:064x}", name, 10**12, f"{'x' * 49}/{'y' * 50}")
        assert isinstance(attach(store, file, actor="a" * 128), Held)
    refused = attach(store, description("f"))
    assert isinstance(refused, RejectedAction)
    assert refused.code == "files_full"
    files_bytes = len(msgspec.json.encode(case_of(store).files))
    assert ALERTS_BYTES_MAX + NOTES_BYTES_MAX + STEPS_BYTES_MAX + files_bytes < 800_000


def test_a_merge_moves_the_files_and_what_both_have_stays_once() -> None:
    store = two_cases()
    attach(store, description("a"), acted_at=5_000)
    attach(store, description("a", file_name="copy.pdf"), SECOND, acted_at=6_000)
    attach(store, description("b"), SECOND, acted_at=4_000)
    pair = store.act(action("merge", SECOND, other_case_id=FIRST, account_id="acc-2"))
    assert isinstance(pair, HeldPair)
    assert [(file.file_name, file.attached_at_ms) for file in pair.other.case.files] == [
        ("b.pdf", 4_000),
        ("a.pdf", 5_000),
    ]
    assert pair.held.case.files == ()


def test_cases_that_have_too_many_files_together_are_not_merged() -> None:
    store = two_cases()
    for number in range(FILES_MAX):
        attach(store, description("a", sha256=f"{number:064x}"))
    attach(store, description("b"), SECOND)
    result = store.act(action("merge", SECOND, other_case_id=FIRST, account_id="acc-2"))
    assert isinstance(result, RejectedAction)
    assert result.code == "files_full"


def test_a_split_leaves_the_files_with_the_case() -> None:
    store = two_cases()
    store.alert(alert("a2"), None)
    attach(store, description("a"))
    pair = store.act(action("split", FIRST, alert_ids=("a2",), note="another matter"))
    assert isinstance(pair, HeldPair)
    assert [len(held.case.files) for held in pair] == [1, 0]


@pytest.mark.parametrize(
    "fields",
    [
        {"sha256": "../../etc/passwd"},
        {"sha256": "A" * 64},
        {"file_name": ""},
        {"file_name": "x" * 201},
        {"size_bytes": 0},
        {"media_type": "text/html\r\nset-cookie: x"},
    ],
)
def test_a_description_that_is_none_is_refused_by_the_contract(fields: dict[str, Any]) -> None:
    sent = action("attach", FIRST, file=description("a", **fields))
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(msgspec.json.encode(sent), type=CaseAction)


def test_an_action_needs_its_file() -> None:
    with pytest.raises(ValueError, match="`file`"):
        action("attach", FIRST)
    with pytest.raises(ValueError, match="`sha256`"):
        action("detach", FIRST, note="r")
