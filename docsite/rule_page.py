"""docs/shipped.md: the shipped rules, lists, features and parts of the score, from rules/."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from docsite.tables import GENERATED, code, plain, table
from fraudstream.cli.rule_files import load_rule_set
from fraudstream.engine.rule_set import RuleSet

HEAD: Final = f"""# Shipped rules and features

{GENERATED}

What `rules/` holds. [typologies.md](typologies.md) says which fraud each rule is about and what it misses,
[rules.md](rules.md) describes the language, [detection.md](detection.md) the score.
"""


def rule_page(directory: Path) -> str:
    """The whole page. `directory`: of the rules. Raises `Failure` on a faulty one."""
    rule_set = load_rule_set(directory)
    features = _document(directory / "features.yaml")
    sections = {
        "Rules": _rules(rule_set),
        "Lists": _lists(_document(directory / "lists.yaml")["lists"]),
        "Entities": _entities(features["entities"]),
        "Features": _features(features["features"], rule_set),
        "Parts of the score": _parts(_document(directory / "score.yaml")["parts"]),
    }
    return "\n".join([HEAD, *(f"## {title}\n\n{text}\n" for title, text in sections.items())])


def _rules(rule_set: RuleSet) -> str:
    rows = [
        (
            f"[{code(rule.name)}]({rule.references[0].removeprefix('docs/')})",
            plain(rule.title),
            f"{rule.status}, {rule.severity}, {rule.outcome}",
            code(rule.when.source),
        )
        for rule in rule_set.rules
    ]
    return table(("rule", "title", "status, severity, outcome", "fires when"), rows)


def _lists(lists: Mapping[str, Any]) -> str:
    rows = (
        (code(name), code(entry["of"]), entry["kind"], plain(entry["description"])) for name, entry in lists.items()
    )
    return table(("list", "of", "kind", ""), rows)


def _entities(entities: Mapping[str, Any]) -> str:
    return table(("entity", "definition"), ((code(name), code(_inline(entry))) for name, entry in entities.items()))


def _features(features: Mapping[str, Any], rule_set: RuleSet) -> str:
    rows = ((code(name), _type(name, rule_set), code(_inline(entry))) for name, entry in features.items())
    return table(("feature", "type", "definition"), rows)


def _parts(parts: list[dict[str, Any]]) -> str:
    rows = []
    for part in parts:
        rest = {name: value for name, value in part.items() if name not in ("part", "value")}
        rows.append((code(part["part"]), code(part["value"]), code(_inline(rest)) if rest else ""))
    return table(("part", "value", ""), rows)


def _type(name: str, rule_set: RuleSet) -> str:
    return str(rule_set.catalogue.symbols[name].value)


def _inline(entry: Mapping[str, Any]) -> str:
    """A mapping in one line, as features.yaml has it."""
    text = yaml.safe_dump(dict(entry), default_flow_style=True, sort_keys=False, width=10_000, allow_unicode=True)
    return text.strip().removeprefix("{").removesuffix("}")


def _document(path: Path) -> dict[str, Any]:
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert isinstance(document, dict), f"{path} is no mapping"
    return document
