"""[registry]: the schema registry of a bank's topics."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

_Text = Annotated[str, Meta(min_length=1)]


class RegistrySection(msgspec.Struct, frozen=True):
    """[registry]"""

    url: Annotated[
        Annotated[str, Meta(pattern="^https?://")] | None,
        Meta(description="schema registry with Confluent's API; of Apicurio with its path: …/apis/ccompat/v7"),
    ] = None
    username: Annotated[_Text | None, Meta(description="for Basic authentication")] = None
    password_file: Annotated[_Text | None, Meta(description="file that holds the password")] = None
    token_file: Annotated[_Text | None, Meta(description="file that holds a bearer's token, in place of these two")] = (
        None
    )
    cafile: Annotated[
        _Text | None,
        Meta(description="PEM file of the authorities that sign its certificate; by default the system's"),
    ] = None
    timeout_s: Annotated[float, Meta(gt=0, le=300, description="longest wait for an answer; three are tried")] = 5.0
    subject_strategy: Annotated[
        Literal["any", "topic", "record", "topic_record"],
        Meta(
            description=(
                "subject under which a message's schema must be registered: topic (TOPIC-value), record (its full "
                "name), topic_record (both), any: not checked"
            )
        ),
    ] = "any"
