"""Settings of a case agent. `fraudstream cases` fills them from the command line's settings."""

from __future__ import annotations

import msgspec

from fraudstream.cases.policy import NO_POLICY, CasePolicy
from fraudstream.contracts.hidden_fields import repr_without
from fraudstream.contracts.record_signature import SigningSecrets
from fraudstream.kafka import Brokers
from fraudstream.kafka.compression import DEFAULT_CODEC, Codec


class AgentSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of a case agent.

    `fenced`: write cases in Kafka transactions that fence a partition's previous owner; False on a broker without
    transactions, where only one agent may run. `codec`: of all that it writes. `fetch_wait_ms`: longest wait
    of a fetch. `policy`: queues and service levels. `retention_days`: how long a closed case stays on the topic
    `cases`; 0: for ever. `label_secrets`: sign the labels; None: they are not signed.
    """

    brokers: Brokers
    redis_url: str
    fenced: bool
    group: str = "fraudstream-cases"
    alerts_topic: str = "alerts"
    case_actions_topic: str = "case-actions"
    case_answers_topic: str = "case-answers"
    cases_topic: str = "cases"
    notices_topic: str = "notices"
    notice_answers_topic: str = "notice-answers"
    payments_topic: str = "payments"
    dead_letters_topic: str = "dead-letters"
    codec: Codec = DEFAULT_CODEC
    fetch_wait_ms: int = 500
    session_timeout_s: float = 10.0
    policy: CasePolicy = NO_POLICY
    retention_days: int = 0
    label_secrets: SigningSecrets | None = None

    def __repr__(self) -> str:
        """Without the secret, as this may be logged."""
        return repr_without(self, "redis_url")

    @property
    def input_topics(self) -> tuple[str, str, str]:
        """The topics that the agent consumes, in the order of `Position`."""
        return self.alerts_topic, self.case_actions_topic, self.notice_answers_topic
