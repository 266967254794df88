"""Roles and what each of them permits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, get_args

Role = Literal["viewer", "analyst", "senior", "admin"]
Permission = Literal[
    "see_cases",
    "act_on_cases",  # every action of cases.transitions
    "approve_cases",  # approve and reject what a colleague has proposed
    "manage_users",  # see the users, end their sessions
]

ROLES: Final[tuple[Role, ...]] = get_args(Role)
_SEE: Final = frozenset[Permission]({"see_cases"})
_ACT: Final = frozenset[Permission]({"see_cases", "act_on_cases"})
PERMISSIONS: Final[Mapping[Role, frozenset[Permission]]] = {
    "viewer": _SEE,
    "analyst": _ACT,
    "senior": _ACT | {"approve_cases"},
    "admin": _ACT | {"approve_cases", "manage_users"},
}
