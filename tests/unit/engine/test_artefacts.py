"""Binary files of a rule set: named by digest, verified when it is compiled, part of the rule set's own digest."""

from __future__ import annotations

import pytest

from fraudstream.contracts.artefact import artefact_digest
from fraudstream.engine.artefacts import artefacts_named
from fraudstream.engine.rule_set import RuleSetErrors, compile_rule_set

FEATURES = """\
version: 1
entities: {account: {key: account_id, slots: 8}}
features:
  account.payments_1h: {aggregate: count, window: 1h}
"""
TREES = bytes(range(256)) * 10
DIGEST = artefact_digest(TREES)
NAMED = f"artefacts:\n  trees: {{digest: {DIGEST}, description: trained in March}}\n"
TEXTS = {"features.yaml": FEATURES, "artefacts.yaml": NAMED}


def sentences(named: str, contents: dict[str, bytes]) -> list[str]:
    with pytest.raises(RuleSetErrors) as caught:
        compile_rule_set({**TEXTS, "artefacts.yaml": named}, artefacts=contents)
    return [str(fault) for fault in caught.value.faults]


def test_a_rule_set_has_the_artefacts_that_its_files_name() -> None:
    rule_set = compile_rule_set(TEXTS, artefacts={DIGEST: TREES, "0" * 64: b"of another rule set"})
    assert {name: artefact.content for name, artefact in rule_set.artefacts.items()} == {"trees": TREES}
    assert rule_set.files == TEXTS


def test_a_missing_artefact_is_a_fault_with_its_place_and_remedy() -> None:
    [sentence] = sentences(NAMED, {})
    assert sentence.startswith("artefacts.yaml:2:19: the bytes of artefact 'trees' are missing")
    assert f"put them into the file artefacts/{DIGEST}" in sentence


def test_bytes_with_another_digest_are_refused() -> None:
    [sentence] = sentences(NAMED, {DIGEST: TREES[:-1]})
    assert f"the bytes given for artefact 'trees' have the digest {artefact_digest(TREES[:-1])}" in sentence


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        ("artefacts: {trees: {digest: 0f}}", "64 hex digits in small letters, not '0f'"),
        (f"artefacts: {{trees: {{digest: {DIGEST.upper()}}}}}", "64 hex digits in small letters"),
        ("artefacts: {trees: {description: none}}", "artefact 'trees' lacks the key 'digest'"),
        (f"artefacts: {{Trees 1: {{digest: {DIGEST}}}}}", "'Trees 1' can't be the name of an artefact"),
        ("artefact: {}", "Nearest: 'artefacts'"),
        ("artefacts: {" + ", ".join(f"a{i}: {{digest: {DIGEST}}}" for i in range(21)) + "}", "21 artefacts are too"),
    ],
)
def test_a_fault_in_a_declaration_says_what_was_wrong(named: str, expected: str) -> None:
    assert any(expected in sentence for sentence in sentences(named, {DIGEST: TREES}))


def test_another_artefact_is_another_rule_set_but_its_description_is_not() -> None:
    rule_set = compile_rule_set(TEXTS, artefacts={DIGEST: TREES})
    described = {**TEXTS, "artefacts.yaml": NAMED.replace("in March", "in April")}
    assert compile_rule_set(described, artefacts={DIGEST: TREES}).digest == rule_set.digest
    other = {**TEXTS, "artefacts.yaml": NAMED.replace(DIGEST, artefact_digest(b"other"))}
    assert compile_rule_set(other, artefacts={artefact_digest(b"other"): b"other"}).digest != rule_set.digest


def test_the_digest_of_a_rule_set_without_artefacts_is_as_before_there_were_any() -> None:
    without = compile_rule_set({"features.yaml": FEATURES}).digest
    assert compile_rule_set({"features.yaml": FEATURES, "artefacts.yaml": "artefacts: {}\n"}).digest == without
    assert without == "3d3fef6798dd30b7"


def test_the_artefacts_to_fetch_are_known_before_a_rule_set_is_compiled() -> None:
    assert artefacts_named(TEXTS) == {DIGEST}
    assert artefacts_named({"features.yaml": FEATURES}) == frozenset()
    assert artefacts_named({"artefacts.yaml": "artefacts: ["}) == frozenset()
