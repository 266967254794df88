"""`python -m fraudstream.embedded.kafka_server HOST PORT CLUSTER_ID`: serve until a signal ends the process."""

import asyncio
import os
import sys

from fraudstream.embedded.kafka_server.server import serve
from fraudstream.embedded.kafka_server.state import new_state

if __name__ == "__main__":
    host, port, cluster_id = sys.argv[1:]
    try:
        asyncio.run(serve(new_state(cluster_id, host, int(port))))
    except OSError as error:
        sys.exit(f"{host}:{port}: {os.strerror(error.errno) if error.errno else error}")
    except KeyboardInterrupt:
        pass
