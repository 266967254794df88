"""What the settings and the rules directory say of a deployment: what the checks compare the cluster with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import msgspec

from fraudstream.engine.partitioners import Partitioner
from fraudstream.engine.rule_set import RuleSet
from fraudstream.kafka import Brokers
from fraudstream.operations.acls.needs import AclScope
from fraudstream.stream.settings import StreamSettings
from fraudstream.stream.topics.file import Topic


class Deployment(msgspec.Struct, frozen=True, kw_only=True):
    """`acls`: what decides the ACLs, the stages of the workers among it. `topics`: as the topics file and the settings
    want them. `rules_directory`: that `rule_set` was compiled from. `principals`: by part, the
    user that it authenticates as, such as "User:worker". `rate`: payments a second to be decided at the peak; None if
    it was not given. `directories`: local directories by their setting, with the bytes that should be free there."""

    brokers: Brokers
    acls: AclScope
    topics: Sequence[Topic]
    rules_directory: Path
    rule_set: RuleSet
    partitioner: Partitioner | Literal["any"]
    too_far_ahead_ms: int
    principals: Mapping[str, str] = {}
    rate: int | None = None
    directories: Mapping[str, tuple[Path, int]] = {}

    @property
    def names(self) -> Mapping[str, str]:
        """The name of each topic, by its name in topics.yaml."""
        return self.acls.names

    @property
    def stages(self) -> Sequence[StreamSettings]:
        """Those of the workers, in order."""
        return self.acls.stages

    @property
    def payments(self) -> str:
        """The name of the payments topic."""
        return self.names["payments"]

    @property
    def needs_transactions(self) -> bool:
        """Whether workers checkpoint in transactions."""
        return any(stage.checkpoint_mode == "transaction" for stage in self.stages)
