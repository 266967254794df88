"""How well scores, rules and alerts find fraud: pure functions of arrays, the result as one document, its report.

`evaluate.evaluate` measures an `EvaluatedPayments`; `report.page` writes the result for a person.
"""
