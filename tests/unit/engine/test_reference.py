"""The reference of features.yaml says what the parser takes, and docs/rules.md holds it."""

import re
from pathlib import Path

import pytest

from fraudstream.engine.aggregates.registry import REGISTRY
from fraudstream.engine.catalogue_reading import parse_catalogue
from fraudstream.engine.document import DocumentErrors
from fraudstream.engine.expression import PAYMENT_FIELDS, Origin, Type, compile_expression
from fraudstream.engine.expression.functions import FUNCTIONS
from fraudstream.engine.reference import BEGIN, END, reference

DOCUMENTATION = Path(__file__).parents[3] / "docs" / "rules.md"


def test_the_documentation_holds_the_reference() -> None:
    text = DOCUMENTATION.read_text()
    held = text[text.index(BEGIN) : text.index(END) + len(END)] + "\n"
    assert held == reference(), "write the output of `fraudstream rules reference` into docs/rules.md"


def documented(title: str) -> list[str]:
    """The first cell of each row of a table, without its code marks."""
    section = reference().split(f"### {title}\n")[1].split("### ")[0]
    return [line.split("|")[1].strip().strip("`") for line in section.splitlines() if line.startswith("| `")]


def known_keys(text: str) -> set[str]:
    """The keys that the parser lists when it finds another one."""
    with pytest.raises(DocumentErrors) as caught:
        parse_catalogue(text)
    [known] = re.findall(r"Known: (.*)\.", str(caught.value))
    return set(known.split(", "))


@pytest.mark.parametrize(
    ("title", "text"),
    [
        ("Keys of `features.yaml`", "version: 1\nentities: {account: {key: account_id}}\nother: 1"),
        ("Keys of an entity", "version: 1\nentities: {account: {key: account_id, other: 1}}"),
        (
            "Keys of a feature",
            "version: 1\nentities: {account: {key: account_id}}\nfeatures: {account.n: {aggregate: age, other: 1}}",
        ),
    ],
)
def test_the_reference_names_every_key_that_the_parser_takes(title: str, text: str) -> None:
    keys = {key for key in documented(title) if "." not in key or key == "features.yaml"} - {"derive"}
    assert keys == known_keys(text)


def test_the_reference_names_every_aggregate_function_and_field() -> None:
    assert documented("Aggregates") == list(REGISTRY)
    assert [call.partition("(")[0] for call in documented("Functions")] == list(FUNCTIONS)
    assert documented("Fields of a payment") == [*PAYMENT_FIELDS, "attributes.NAME"]


EXAMPLES = {
    "min": "min(amount, 5) > 1",
    "max": "max(amount, 5) > 6",
    "abs": "abs(balance_after) > 1",
    "round_down": "round_down(amount, 10) == 20",
    "rarity": "rarity(hour, 23) > 1",
    "burst": "burst(hour, 2.5) > 1",
    "lower": "lower(device_id) == 'a'",
    "starts_with": "starts_with(device_id, 'a')",
    "ends_with": "ends_with(device_id, 'a')",
    "contains": "contains(device_id, 'a')",
    "matches": "matches(device_id, '^a')",
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_function_of_the_reference_compiles(name: str) -> None:
    compile_expression(EXAMPLES[name], PAYMENT_FIELDS, Type.BOOL, Origin("a.yaml"))
