"""What formats of messages need from the settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fraudstream.cli.failure import Failure
from fraudstream.cli.secret_file import secret_of_file
from fraudstream.cli.settings import Settings

if TYPE_CHECKING:
    from fraudstream.formats.card_numbers import CardIdentifier
    from fraudstream.formats.catalogue import FormatServices


def format_services(settings: Settings) -> FormatServices:
    """The services by the settings. Raises `Failure`."""
    from fraudstream.formats.catalogue import FormatServices

    return FormatServices(card_identifier=_card_identifier(settings))


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
