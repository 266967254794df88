"""Files written by people: inert and bounded, with every fault shown at its position."""

from __future__ import annotations

import pytest

from fraudstream.engine.document import DEPTH_MAX, DOCUMENT_CHARS_MAX, DocumentErrors, read_content, read_document

WITHOUT_TRICKS = "anchors, aliases and tags are not supported. Write it out without them."


def first_line(text: str) -> str:
    """What is said of a text that is no document."""
    with pytest.raises(DocumentErrors) as failure:
        read_document(text, "a.yaml")
    return str(failure.value).splitlines()[0]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "a.yaml:1:1: the file is empty."),
        ("# nothing\n", "a.yaml:1:1: the file is empty."),
        ("a: [", "a.yaml:1:5: not valid YAML: expected the node content, but found '<stream end>'."),
        ("a: b: c", "a.yaml:1:5: not valid YAML: mapping values are not allowed here."),
        (
            'a: {where: contains(ip, "x")}',
            "a.yaml:1:28: not valid YAML: expected ',' or '}', but got '<scalar>'. An expression with a comma between "
            "braces needs quotes around it: where: '…'.",
        ),
        ("a: 1\nb\tc: [\n", "a.yaml:2:2: not valid YAML: found character '\\t' that cannot start any token."),
        ("a: &x 1", f"a.yaml:1:4: {WITHOUT_TRICKS}"),
        ("a: *x", f"a.yaml:1:4: {WITHOUT_TRICKS}"),
        ("a: !!python/object/apply:os.system [ls]", f"a.yaml:1:4: {WITHOUT_TRICKS}"),
        ("a: 1\nb: !x 1", f"a.yaml:2:4: {WITHOUT_TRICKS}"),
        ("a: 1\n---\nb: 1", "a.yaml:2:1: not valid YAML: but found another document."),
    ],
)
def test_text_that_is_not_plain_yaml_is_refused_at_its_position(text: str, said: str) -> None:
    assert first_line(text) == said


@pytest.mark.parametrize("text", ["\0", "a: \x07", "\ud800"])
def test_characters_that_yaml_forbids_are_refused(text: str) -> None:
    assert first_line(text).startswith("a.yaml:1:1: not valid YAML: ")


def test_a_bomb_of_aliases_is_refused_at_its_first_anchor() -> None:
    lines = ["a: &a [x, x]"] + [
        f"{name}: &{name} [*{before}, *{before}]" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
    ]
    assert first_line("\n".join(lines)) == f"a.yaml:1:4: {WITHOUT_TRICKS}"


def test_depth_is_bounded() -> None:
    read_document("[" * DEPTH_MAX + "]" * DEPTH_MAX, "a.yaml")
    deep = DEPTH_MAX + 1
    assert (
        first_line("[" * deep + "]" * deep)
        == f"a.yaml:1:{deep}: nested deeper than {DEPTH_MAX}. Write it out without them."
    )
    assert "nested deeper" in first_line("[" * 100_000)


def test_length_is_bounded() -> None:
    read_document("x" * DOCUMENT_CHARS_MAX, "a.yaml")
    said = f"a.yaml:1:1: longer than {DOCUMENT_CHARS_MAX} characters. Split the file."
    assert first_line("x" * (DOCUMENT_CHARS_MAX + 1)) == said


def test_a_fault_shows_the_line_and_points_at_the_place() -> None:
    root = read_document("a: 1\nb: two\n", "a.yaml")
    root.entries("the file", ("a", "b"))["b"].number("b")
    assert str(root.faults[0]) == "a.yaml:2:4: b must be a number, not 'two'.\n    b: two\n       ^"


def test_keys_that_are_unknown_repeated_or_lacking_are_all_reported() -> None:
    root = read_document("a: 1\na: 2\nbb: 3\n", "a.yaml")
    entries = root.entries("the file", ("a", "b", "c"), required=("c",))
    assert [str(fault).splitlines()[0] for fault in root.faults] == [
        "a.yaml:2:1: the file has the key 'a' twice: here and on line 1. Remove one.",
        "a.yaml:3:1: the file has no key 'bb'. Nearest: 'b'. Known: a, b, c.",
        "a.yaml:1:1: the file lacks the key 'c'. Add it.",
    ]
    assert list(entries) == ["a"]


@pytest.mark.parametrize("text", [".inf", "-.inf", "nan", "1e999", "0x10", "", "true"])
def test_a_number_is_finite(text: str) -> None:
    root = read_document(f"a: '{text}'", "a.yaml")
    assert root.entries("the file")["a"].number("a") == 0.0
    assert root.faults[0].sentence == f"a must be a number, not '{text}'."


def test_a_document_is_read_as_texts_or_as_yaml_types() -> None:
    text = "a: {b: [1, yes, ~], c: '2'}\n"
    assert read_content(text, "a.yaml") == {"a": {"b": ["1", "yes", "~"], "c": "2"}}
    assert read_content(text, "a.yaml", typed=True) == {"a": {"b": [1, True, None], "c": "2"}}


def test_every_repeated_key_of_a_document_is_told_with_both_lines() -> None:
    with pytest.raises(DocumentErrors) as caught:
        read_content("a: 1\nb: {c: 1, c: 2}\nd: [{e: 1,\n  e: 2}]\na: 2\n", "a.yaml")
    assert [str(fault).splitlines()[0] for fault in caught.value.faults] == [
        "a.yaml:5:1: the file has the key 'a' twice: here and on line 1. Remove one.",
        "a.yaml:2:11: b has the key 'c' twice: here and on line 2. Remove one.",
        "a.yaml:4:3: an item of d has the key 'e' twice: here and on line 3. Remove one.",
    ]
