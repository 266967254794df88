"""The rule set in force with the list entries in force, as the topic of controls holds them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import NamedTuple

from fraudstream.contracts import ListEntry, RuleSwitch
from fraudstream.controls.reader import Controls, read_artefacts
from fraudstream.engine.artefacts import artefacts_named
from fraudstream.engine.rule_set import RuleSet, compile_rule_set
from fraudstream.operations.errors import MissingTopicError, OperationError
from fraudstream.operations.lists import NoRuleSetError
from fraudstream.stream.control_log import NoTopicError, controls_topic, read_controls
from fraudstream.stream.settings import StreamSettings


class InForce(NamedTuple):
    """`digest`: under which the topic holds the `rule_set` in force; that is without test cases, which are not kept
    there. `artefacts`: its binary files by digest. `entries`: list entries that are not removed; expired ones too.
    `switch`: that put it in force; None if it is the one that workers began with. `switches`: it and earlier ones that
    the topic still has, the oldest first. `stored`: the files of every rule set that the topic holds, by digest."""

    digest: str
    rule_set: RuleSet
    artefacts: Mapping[str, bytes]
    entries: tuple[ListEntry, ...]
    switch: RuleSwitch | None
    switches: tuple[RuleSwitch, ...] = ()
    stored: Mapping[str, Mapping[str, str]] = {}


class UnclearRuleSetError(OperationError):
    """`topic` holds several rule sets, and none was ever activated."""

    def __init__(self, topic: str, digests: tuple[str, ...]) -> None:
        super().__init__(
            f"'{topic}' holds the rule sets {', '.join(digests)}, and none was activated: it is not known which is in "
            "force. Name a directory of rules, or activate one with `fraudstream rules activate`."
        )
        self.topic, self.digests = topic, digests


async def read_in_force(settings: StreamSettings, before: InForce | None = None) -> InForce:
    """What is in force: the rule set activated last, else the one that workers began with.

    `settings`: of any stage. `before`: what was in force when it was read last; it is not compiled again if it still
    is. Raises `NoRuleSetError`, `UnclearRuleSetError`, `MissingTopicError`, `DocumentErrors` if
    this release cannot read the rules, and what aiokafka raises.
    """
    try:
        controls = await read_controls(settings)
        digest = _digest(controls, settings.controls_topic)
        entries = tuple(entry for _, entry in sorted(controls.entries.items()) if not entry.removed)
        if before is not None and before.digest == digest:
            found = controls.rule_sets
            return before._replace(entries=entries, switch=controls.switch, switches=controls.switches, stored=found)
        files = controls.rule_sets[digest]
        artefacts = await artefacts_of(settings, files)
    except NoTopicError as error:
        raise MissingTopicError(settings.brokers.servers, error.topic) from error
    rule_set = await asyncio.to_thread(compile_rule_set, files, None, artefacts, accepted=True)
    return InForce(digest, rule_set, artefacts, entries, controls.switch, controls.switches, controls.rule_sets)


async def artefacts_of(settings: StreamSettings, files: Mapping[str, str]) -> dict[str, bytes]:
    """The artefacts that the files of a rule set name, by digest, of those that the topic holds. Raises
    `MissingTopicError`, and what aiokafka raises."""
    try:
        return await read_artefacts(controls_topic(settings), artefacts_named(files))
    except NoTopicError as error:
        raise MissingTopicError(settings.brokers.servers, error.topic) from error


def _digest(controls: Controls, topic: str) -> str:
    """Of the rule set in force. Raises `NoRuleSetError`, `UnclearRuleSetError`."""
    digests = tuple(sorted(controls.rule_sets)) if controls.switch is None else (controls.switch.rule_set,)
    if not digests or digests[0] not in controls.rule_sets:
        raise NoRuleSetError(topic)
    if len(digests) > 1:
        raise UnclearRuleSetError(topic, digests)
    return digests[0]
