"""What changes about a user: role and team. Pure."""

from __future__ import annotations

from msgspec.structs import replace

from fraudstream.console.access.roles import Role
from fraudstream.console.access.users import User


class ProvidedRoleError(Exception):
    """The user's role comes from the provider at each log-in, so another one would not last."""


def changed(user: User, *, role: Role | None = None, team: str | None = None, no_team: bool = False) -> User:
    """The user with another role or team; what is None stays. `no_team`: sees all cases. Raises `ProvidedRoleError`."""
    if user.subject is not None and role not in (None, user.role):
        raise ProvidedRoleError
    return replace(
        user,
        role=user.role if role is None else role,
        team=None if no_team else user.team if team is None else team,
    )


def change_text(before: User, after: User) -> str:
    """The change in words, for the audit log.

    >>> change_text(User("ann", "viewer", ""), User("ann", "analyst", "", team="cards"))
    'role viewer to analyst, team - to cards'
    """
    parts = []
    if before.role != after.role:
        parts.append(f"role {before.role} to {after.role}")
    if before.team != after.team:
        parts.append(f"team {before.team or '-'} to {after.team or '-'}")
    return ", ".join(parts) or "nothing was changed"
