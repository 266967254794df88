"""[topics]: their names, partitions and replicas."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

TopicName = Annotated[str, Meta(pattern="^[A-Za-z0-9._-]{1,249}$")]


class TopicsSettings(msgspec.Struct, frozen=True):
    """[topics]"""

    payments: Annotated[TopicName, Meta(description="input, the log: payments and labels, keyed by account_id")] = (
        "payments"
    )
    labels: Annotated[TopicName, Meta(description="input: labels of publishers that cannot write to the log")] = (
        "labels"
    )
    decisions: Annotated[TopicName, Meta(description="output: a decision for every payment")] = "decisions"
    replies: Annotated[
        TopicName, Meta(description="output: the decisions that a gateway waits for, by gateway in a partition")
    ] = "replies"
    alerts: Annotated[TopicName, Meta(description="output: verdicts for a person to review")] = "alerts"
    cases: Annotated[TopicName, Meta(description="output: cases; the newest record of each is the whole case")] = (
        "cases"
    )
    case_actions: Annotated[TopicName, Meta(description="input: actions of analysts on cases")] = "case-actions"
    case_answers: Annotated[TopicName, Meta(description="output: what became of each action of an analyst")] = (
        "case-answers"
    )
    notices: Annotated[TopicName, Meta(description="output: questions to customers about payments")] = "notices"
    notice_answers: Annotated[TopicName, Meta(description="input: customers' answers to notices")] = "notice-answers"
    dead_letters: Annotated[TopicName, Meta(description="output: records that could not be decided")] = "dead-letters"
    audit: Annotated[TopicName, Meta(description="who did and who viewed what in the console")] = "audit"
    controls: Annotated[TopicName, Meta(description="rule sets, and entries of lists")] = "controls"
    partitions: Annotated[
        Annotated[int, Meta(ge=1, le=10_000)] | None,
        Meta(description="partitions of the topics keyed by account, in place of topics.yaml's"),
    ] = None
    replication: Annotated[
        Annotated[int, Meta(ge=1, le=10)] | None,
        Meta(description="replicas of each topic, in place of topics.yaml's; 1 on a single broker"),
    ] = None
