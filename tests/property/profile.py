"""How hypothesis runs here: the same examples each time. HYPOTHESIS_PROFILE=search looks for new ones."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

_QUIET = [HealthCheck.too_slow, HealthCheck.data_too_large]

CI = settings(max_examples=60, derandomize=True, deadline=None, database=None, suppress_health_check=_QUIET)
SEARCH = settings(max_examples=5_000, deadline=None, suppress_health_check=_QUIET)

EXAMPLES = SEARCH if os.environ.get("HYPOTHESIS_PROFILE") == "search" else CI
