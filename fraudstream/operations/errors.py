"""The base of every error that an operation raises, and the errors that several of them share."""

from __future__ import annotations


class OperationError(Exception):
    """An operation failed. `sentence`: what was wrong, where, and what to do, for a person.

    Subclasses keep the facts as attributes, for programs.
    """

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


class InvalidValueError(OperationError):
    """A value that a caller gave cannot be used. `name`: which one, as the contracts name it; `value`: as given."""

    def __init__(self, name: str, value: object, sentence: str) -> None:
        super().__init__(sentence)
        self.name = name
        self.value = value


class MissingTopicError(OperationError):
    """The cluster at `servers` has no topic `topic`, or hides it from us."""

    def __init__(self, servers: str, topic: str) -> None:
        super().__init__(
            f"{servers} has no topic '{topic}', or permits you nothing on it. "
            "Create it with `fraudstream topics apply`."
        )
        self.servers = servers
        self.topic = topic
