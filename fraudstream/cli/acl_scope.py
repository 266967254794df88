"""What decides the ACLs of the parts, by the settings and the rules; and which user each part has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from fraudstream.cli.failure import Failure
from fraudstream.cli.settings import Settings
from fraudstream.contracts.nearest_name import nearest_or_all

if TYPE_CHECKING:
    from fraudstream.engine.rule_set import RuleSet
    from fraudstream.operations.acls.needs import AclScope
    from fraudstream.stream.settings import StreamSettings


def acl_scope(settings: Settings, rule_set: RuleSet, partitions: int) -> AclScope:
    """`partitions`: of the payments topic, which may determine the form of the stages. Raises `Failure`."""
    from fraudstream.cli.wanted_topics import topic_names
    from fraudstream.operations.acls.needs import AclScope

    return AclScope(
        names=topic_names(settings),
        stages=_stages(settings, rule_set, partitions),
        cases_group=settings.cases.group,
        bridge_group=settings.bridge.group,
        webhooks_group=settings.webhooks.group,
        bridge_source=settings.bridge.source_topic,
        console_activates=settings.console.may_activate,
    )


def principals_of(given: Sequence[str]) -> Mapping[str, str]:
    """Users by part, of values of the flag `--principal`. Raises `Failure`."""
    from fraudstream.operations.acls.needs import PARTS

    principals = {}
    for text in given:
        part, equals, user = text.partition("=")
        if not equals or not user:
            raise Failure(f"--principal {text}: expected PART=USER, as in --principal worker=User:fraudstream-worker.")
        if part not in PARTS:
            raise Failure(f"--principal {text}: unknown part '{part}'. {nearest_or_all(part, PARTS)}")
        principals[part] = user if ":" in user else f"User:{user}"
    return principals


def _stages(settings: Settings, rule_set: RuleSet, partitions: int) -> list[StreamSettings]:
    """As workers would run them, also where there is no payments topic yet. Raises `Failure`."""
    from fraudstream.cli.worker import stream_settings
    from fraudstream.engine.engine import Engine
    from fraudstream.stream.failure import PermanentFailure
    from fraudstream.stream.stages import settle_form, stages_of

    engine = Engine(rule_set)
    try:
        of_form = settle_form(stream_settings(settings), engine.stages, partitions)
        return [stage for stage, _ in stages_of(of_form, engine)]
    except PermanentFailure as failure:
        raise Failure(failure.sentence) from failure
