"""Identifiers that people write into texts: numbers of cards (Luhn) and accounts (IBAN), and other long numbers.

Only what is in a text itself is looked at, so an identifier of which nothing else is known is found too.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

# Digits with single spaces or hyphens between them, as cards are printed.
_CARD: Final = re.compile(r"(?<![0-9])[0-9](?:[ -]?[0-9]){12,18}(?![0-9])")
_ACCOUNT: Final = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{2}[0-9]{2}(?:[ -]?[A-Za-z0-9]){11,30}(?![A-Za-z0-9])")
_NUMBER: Final = re.compile(r"(?<![0-9])[0-9]{8,}(?![0-9])")
_IBAN_CHARACTERS_MIN: Final = 15

Replace = Callable[[str], str]


def without_numbers(text: str, masked: Replace, *, all_long: bool) -> str:
    """The text with each number of a card or an account `masked`. `all_long`: also every other number of eight digits
    or more, such as a telephone number.

    >>> without_numbers("card 4111 1111 1111 1111, GB82 WEST 1234 5698 7654 32", lambda _: "*", all_long=False)
    'card *, *'
    >>> without_numbers("order 4111 1111 1111 1112 of 12345678", lambda _: "*", all_long=True)
    'order 4111 1111 1111 1112 of *'
    """
    text = _ACCOUNT.sub(lambda found: _account(found[0], masked), text)
    text = _CARD.sub(lambda found: masked(_joined(found[0])) if _is_card(_joined(found[0])) else found[0], text)
    return _NUMBER.sub(lambda found: masked(found[0]), text) if all_long else text


def _account(candidate: str, masked: Replace) -> str:
    """The candidate with the IBAN that it begins with masked, if it does: words that follow may look like its end."""
    for end in range(len(candidate), _IBAN_CHARACTERS_MIN - 1, -1):
        is_word_end = end == len(candidate) or not candidate[end].isalnum()
        if is_word_end and _is_iban(whole := _joined(candidate[:end])):
            return masked(whole) + candidate[end:]
    return candidate


def _joined(text: str) -> str:
    return text.replace(" ", "").replace("-", "")


def _is_card(digits: str) -> bool:
    """Whether the check digit is right, by Luhn."""
    doubled = [int(digit) * (2 if place % 2 else 1) for place, digit in enumerate(reversed(digits))]
    return sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0 and len(set(digits)) > 1


def _is_iban(text: str) -> bool:
    """Whether the check digits are right, by ISO 7064 modulo 97-10."""
    if len(text) < _IBAN_CHARACTERS_MIN:
        return False
    return int("".join(str(int(each, 36)) for each in text[4:] + text[:4])) % 97 == 1
