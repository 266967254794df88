"""The addresses of the pages of accounts, devices, merchants and so on."""

from __future__ import annotations

from urllib.parse import urlencode

from fraudstream.history.answers import PageKey


def entity_href(kind: str, value: str, before: PageKey | None = None) -> str:
    """The address. The id is a parameter, as it may hold any character. `before`: where the page of payments begins.

    >>> entity_href("device", "a/b c", PageKey(17, "p-1"))
    '/history/device?id=a%2Fb+c&before=17~p-1'
    """
    parameters = {"id": value} | ({} if before is None else {"before": f"{before.occurred_at_ms}~{before.event_id}"})
    return f"/history/{kind}?{urlencode(parameters)}"


def parsed_before(text: str | None) -> PageKey | None:
    """The place in the parameter `before`; None if there is none, or no valid one.

    >>> parsed_before("17~p-1~2"), parsed_before("x~y"), parsed_before(None)
    (PageKey(occurred_at_ms=17, event_id='p-1~2'), None, None)
    """
    at_ms, tilde, event_id = (text or "").partition("~")
    if not tilde or not at_ms.isascii() or not at_ms.isdecimal() or len(at_ms) > 15:
        return None
    return PageKey(int(at_ms), event_id)
