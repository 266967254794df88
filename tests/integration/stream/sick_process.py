"""A process that is not healthy in its first life, and is in the next: `python -m tests...sick_process MARK`."""

import sys
from pathlib import Path

from prometheus_client import CollectorRegistry

from fraudstream.telemetry import http

if __name__ == "__main__":
    import time

    mark = Path(sys.argv[1])
    fault = None if mark.exists() else "a partition has stood still"
    mark.touch()
    with http.serving(CollectorRegistry(), lambda: fault, lambda: fault) as url:
        print(f"metrics at {url}/metrics", flush=True)
        time.sleep(600)
