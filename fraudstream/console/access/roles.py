"""Roles and what each of them permits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, get_args

Role = Literal["viewer", "analyst", "senior", "rule_author", "approver", "auditor", "admin"]
Permission = Literal[
    "see_cases",  # with identifiers masked
    "act_on_cases",  # every action of cases.transitions
    "approve_cases",  # approve and reject what a colleague has proposed
    "remove_files",  # of a case, with a reason
    "manage_absences",  # mark a colleague absent, and hand over their cases
    "export_cases",  # as a report, with what they see of identifiers
    "reveal_identifiers",  # of one case, with a reason
    "see_identifiers",  # of every case
    "see_lists",  # allow, deny and watch lists, with identifiers masked
    "see_overview",  # backlog, and what each analyst has open and has closed
    "see_figures",  # of payments, partners, channels and models; counts over all, whatever the team
    "see_rules",  # in force, how often they fire, proposals and trials, what was in force before
    "draft_rules",  # edit, check, try and propose rules, thresholds, models, list entries; needs `see_rules` too
    "approve_rules",  # put in force what another person proposes; needs `see_rules` too
    "see_audit",  # and export it
    "see_users",
    "manage_users",  # end their sessions
]

ROLES: Final[tuple[Role, ...]] = get_args(Role)
_SEE: Final[tuple[Permission, ...]] = ("see_cases", "see_lists")
_ACT: Final[tuple[Permission, ...]] = (*_SEE, "act_on_cases", "export_cases", "reveal_identifiers")
_RULES: Final[tuple[Permission, ...]] = ("see_figures", "see_rules", "draft_rules", "approve_rules")
_GRANTED: Final[Mapping[Role, tuple[Permission, ...]]] = {
    "viewer": _SEE,
    "analyst": _ACT,
    "senior": (*_ACT, *_RULES, "approve_cases", "remove_files", "manage_absences", "see_identifiers", "see_overview"),
    "rule_author": (*_SEE, "see_figures", "see_rules", "draft_rules"),
    "approver": (*_SEE, "see_figures", "see_rules", "approve_rules"),
    "auditor": (*_SEE, "export_cases", "see_overview", "see_figures", "see_audit", "see_users"),
    "admin": (
        *_ACT,
        *_RULES,
        "approve_cases",
        "remove_files",
        "manage_absences",
        "see_overview",
        "see_audit",
        "see_users",
        "manage_users",
    ),
}
PERMISSIONS: Final[Mapping[Role, frozenset[Permission]]] = {role: frozenset(each) for role, each in _GRANTED.items()}
