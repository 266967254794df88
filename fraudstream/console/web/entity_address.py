"""The addresses of the pages of accounts, devices, merchants, payments and so on: made of references, never of
identifiers."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlencode

from fraudstream.console.access.references import References
from fraudstream.console.explanations import Named
from fraudstream.history.answers import PageKey

_PAYMENT: Final = "payment"  # kind of the references to payments
_PARTS: Final = 3


class EntityAddresses:
    """Addresses of one console. `references`: how it names identifiers."""

    def __init__(self, references: References) -> None:
        self._references = references

    def href(self, kind: str, value: str, before: PageKey | None = None) -> str:
        """The address of a page. `before`: where the page of payments begins."""
        parameters = {} if before is None else {"before": f"{before.occurred_at_ms}~{before.event_id}"}
        query = f"?{urlencode(parameters)}" if parameters else ""
        return f"/history/{kind}/{self._references.reference(kind, value)}{query}"


def payment_href(references: References, named: Named) -> str:
    """The address of the page that explains a payment."""
    return f"/payments/{references.reference(_PAYMENT, chr(10).join(named))}"


def named_by(references: References, reference: str) -> Named | None:
    """The payment in an address of `payment_href`; None if it was not made by it."""
    value = references.value(_PAYMENT, reference)
    parts = () if value is None else value.split("\n")
    return Named(*parts) if len(parts) == _PARTS else None


def parsed_before(text: str | None) -> PageKey | None:
    """The place in the parameter `before`; None if there is none, or no valid one.

    >>> parsed_before("17~p-1~2"), parsed_before("x~y"), parsed_before(None)
    (PageKey(occurred_at_ms=17, event_id='p-1~2'), None, None)
    """
    at_ms, tilde, event_id = (text or "").partition("~")
    if not tilde or not at_ms.isascii() or not at_ms.isdecimal() or len(at_ms) > 15:
        return None
    return PageKey(int(at_ms), event_id)
