"""A process that reports itself unhealthy until it is restarted: `python -m tests...unhealthy_process MARK`.

The file MARK records that it ran before.
"""

import sys
from pathlib import Path

from prometheus_client import CollectorRegistry

from fraudstream.telemetry import http

if __name__ == "__main__":
    import time

    mark = Path(sys.argv[1])
    fault = None if mark.exists() else "a partition is stalled"
    mark.touch()
    with http.serving(CollectorRegistry(), lambda: fault, lambda: fault) as url:
        print(f"metrics at {url}/metrics", flush=True)
        time.sleep(600)
