"""Which case of a partition has which notice. Pure."""

from __future__ import annotations

from fraudstream.cases.notices import digest_of
from fraudstream.contracts import Case


class NoticeCases:
    """The case of each notice, by the digest of the notice's id."""

    def __init__(self) -> None:
        self._case_of: dict[str, str] = {}

    def of(self, notice_id: str) -> str | None:
        """The id of the case that has the notice."""
        return self._case_of.get(digest_of(notice_id))

    def put(self, case: Case) -> None:
        """A case has changed, or is new."""
        self._case_of.update((notice.digest, case.case_id) for notice in case.notices)

    def remove(self, case: Case) -> None:
        """The case has left."""
        for notice in case.notices:
            self._case_of.pop(notice.digest, None)
