"""What formats of messages need from the settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fraudstream.cli.failure import Failure
from fraudstream.cli.secret_file import secret_of_file
from fraudstream.cli.settings import Settings

if TYPE_CHECKING:
    from fraudstream.bridge.schema_registry import SchemaRegistry
    from fraudstream.formats.card_numbers import CardIdentifier
    from fraudstream.formats.catalogue import FormatServices


def format_services(settings: Settings, topic: str | None = None) -> FormatServices:
    """The services by the settings. `topic`: of the messages, None for files. Raises `Failure`."""
    from fraudstream.bridge.protobuf_compiler import compiled_descriptors
    from fraudstream.formats.catalogue import FormatServices

    schemas = None if topic is None else _schemas(settings, topic)
    return FormatServices(_card_identifier(settings), schemas, compiled_descriptors)


def _schemas(settings: Settings, topic: str) -> SchemaRegistry | None:
    """The schema registry; None if the settings name none."""
    from fraudstream.bridge.schema_registry import RegistryError, RegistrySettings, SchemaRegistry

    registry = settings.registry
    if registry.url is None:
        return None

    def secret(setting: str, path: str | None) -> str | None:
        return None if path is None else secret_of_file(setting, path)

    try:
        return SchemaRegistry(
            RegistrySettings(
                url=registry.url,
                username=registry.username,
                password=secret("registry.password_file", registry.password_file),
                token=secret("registry.token_file", registry.token_file),
                cafile=registry.cafile,
                timeout_s=registry.timeout_s,
                subject_strategy=registry.subject_strategy,
            ),
            topic,
        )
    except RegistryError as error:
        raise Failure(error.sentence) from error


def _card_identifier(settings: Settings) -> CardIdentifier | None:
    """What makes identifiers of cards; None where identifiers are keyed and there is no secret."""
    from fraudstream.formats import card_numbers

    cards = settings.cards
    if cards.numbers == "clear":
        return card_numbers.clear
    if cards.numbers == "token":
        return card_numbers.token
    if cards.secret_file is None:
        return None
    secret = secret_of_file("cards.secret_file", cards.secret_file)
    try:
        return card_numbers.keyed(secret.encode())
    except ValueError as error:
        raise Failure(f"cards.secret_file {cards.secret_file}: {error}") from error
