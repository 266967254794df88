"""A mapping's names find one column of a file, or the file is refused with how to name it."""

from __future__ import annotations

import pytest

from fraudstream.backtest.column_names import find_columns

IBM = ["Timestamp", "From Bank", "Account", "To Bank", "Account", ""]


@pytest.mark.parametrize(
    ("wanted", "names", "position"),
    [
        ("Account#1", IBM, 2),
        ("Account#2", IBM, 4),
        ("#6", IBM, 5),
        ("Timestamp#1", IBM, 0),
        ("id", [" id\t", "when"], 0),
        ("id", ["\ufeffid", "when"], 0),
        ("id ", ["id", "when"], 0),
        ("ID", ["id", "ID"], 1),
        ("No #", ["No #", "x"], 0),
        ("Item #2", ["Item #2", "x"], 0),
    ],
)
def test_a_name_finds_one_column(wanted: str, names: list[str], position: int) -> None:
    found = find_columns([wanted], names, "m")
    assert (found.fault, found.positions) == (None, {wanted: position})


@pytest.mark.parametrize(
    ("wanted", "names", "sentence"),
    [
        (
            "Account",
            IBM,
            "has 2 columns that 'Account' may mean: column 3 ('Account'), column 5 ('Account'). Name one of them in "
            "the mapping: 'Account#1' or 'Account#2'.",
        ),
        (
            "id",
            ["id", "id "],
            "has 2 columns that 'id' may mean: column 1 ('id'), column 2 ('id '). Name one of them in the mapping: "
            "'id#1' or 'id#2'.",
        ),
        (
            "a#2",
            ["a", "a#2", "a"],
            "has 2 columns that 'a#2' may mean: column 2 ('a#2'), column 3 ('a'). Name one of them in the mapping: "
            "'#2' or '#3'.",
        ),
        (
            "id",
            ["ID", "when"],
            "has no column 'id', which the mapping 'm' reads. It has 'ID': capital and small letters differ.",
        ),
        ("Account#3", IBM[:5], "has no column 'Account#3', which the mapping 'm' reads. Nearest: 'Account'."),
        ("#7", IBM, "has no column '#7', which the mapping 'm' reads."),
        ("", IBM, "has no column '', which the mapping 'm' reads."),
    ],
)
def test_a_name_that_is_missing_or_ambiguous_is_refused(wanted: str, names: list[str], sentence: str) -> None:
    found = find_columns([wanted], names, "m")
    assert found.fault is not None
    assert found.fault.startswith(sentence)


def test_a_name_is_found_in_either_form_of_its_letters() -> None:
    assert find_columns(["Empf\u00e4nger"], ["Empfa\u0308nger"], "m").positions == {"Empf\u00e4nger": 0}
    assert find_columns(["Empfa\u0308nger"], ["Empf\u00e4nger"], "m").positions == {"Empfa\u0308nger": 0}
