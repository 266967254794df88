"""Why an agent cannot go on, in words."""

from __future__ import annotations

from typing import Final

from aiokafka.errors import KafkaError, ProducerFenced

GO_ON: Final = "Started again, it goes on where it was."


class AgentError(Exception):
    """The agent cannot go on. `sentence` says what was wrong, where, and what to do."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


def in_words(reason: BaseException) -> str | None:
    """A sentence for what Kafka may do to an agent at any time; None for what we did not foresee."""
    if isinstance(reason, AgentError):
        return reason.sentence
    if isinstance(reason, ProducerFenced):
        return f"Another agent has taken over what this one held ({reason}). {GO_ON}"
    if isinstance(reason, (KafkaError, TimeoutError)):
        return f"Kafka did not take in time what the agent had to write ({str(reason) or 'no answer'}). {GO_ON}"
    return None
