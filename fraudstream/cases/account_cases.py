"""Which cases of a partition are of an account, and which of them its new alerts join. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from fraudstream.contracts import Case


class AccountCases:
    """The cases of each account. A case that others were merged into is one of each of their accounts."""

    def __init__(self) -> None:
        self._by_account: dict[str, list[str]] = {}
        self._joined: dict[str, str] = {}  # account to the case that its alerts join

    def of(self, account_id: str) -> Sequence[str]:
        """Ids of all cases of the account."""
        return self._by_account.get(account_id, ())

    def joined_by(self, account_id: str) -> str | None:
        """The id of the case that new alerts of the account join, if there is one."""
        return self._joined.get(account_id)

    def other_open(self, case: Case) -> str | None:
        """Another case that alerts of the case's accounts join, if there is one. It does not hinder a case that was
        split off, as no alerts join that."""
        if case.split_from is not None:
            return None
        joined = map(self._joined.get, case.accounts)
        return next((each for each in joined if each not in (None, case.case_id)), None)

    def put(self, case: Case, before: Sequence[str]) -> None:
        """A case has changed, or is new. `before`: the accounts that it had."""
        for account_id in set(before) - set(case.accounts):
            self._forget(account_id, case.case_id)
        for account_id in case.accounts:
            if account_id not in before:
                self._by_account.setdefault(account_id, []).append(case.case_id)
            if case.status != "closed" and case.split_from is None:
                self._joined[account_id] = case.case_id
            elif self._joined.get(account_id) == case.case_id:
                del self._joined[account_id]

    def remove(self, case: Case) -> None:
        """The case has left."""
        for account_id in case.accounts:
            self._forget(account_id, case.case_id)

    def _forget(self, account_id: str, case_id: str) -> None:
        if self._joined.get(account_id) == case_id:
            del self._joined[account_id]
        of_account = self._by_account[account_id]
        of_account.remove(case_id)
        if not of_account:
            del self._by_account[account_id]
