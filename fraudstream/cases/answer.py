"""The answer to an analyst's action: what the case agent tells its sender. Pure."""

from __future__ import annotations

from fraudstream.cases.held import Held, HeldPair, RepeatedAction
from fraudstream.cases.refusal import RejectedAction
from fraudstream.cases.retention import ErasedCase
from fraudstream.contracts import Case, CaseAction, CaseAnswer


def answer_of(
    action: CaseAction, result: Held | HeldPair | RejectedAction | RepeatedAction | ErasedCase, case: Case | None
) -> CaseAnswer:
    """The answer to `action`, whose `result` is known. `case`: with the action's `case_id`, as it is now; None if there
    is none. A case of another account is not told."""
    code = sentence = version = None
    match result:
        case RejectedAction():
            code, sentence = result
        case RepeatedAction():
            version = result.version
        case Held():
            version = result.case.version
        case HeldPair():
            version = result.held.case.version
        case ErasedCase():
            pass
    return CaseAnswer(
        action_id=action.action_id,
        case_id=action.case_id,
        account_id=action.account_id,
        action=action.action,
        accepted=code is None,
        version=version,
        code=code,
        sentence=sentence,
        case=case if case is not None and case.account_id == action.account_id else None,
    )
