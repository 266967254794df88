"""`fraudstream gateway`: decide payments over HTTP; make API keys."""

from __future__ import annotations

import argparse
import json
from importlib.util import find_spec
from typing import TYPE_CHECKING

from fraudstream.cli import metrics_port
from fraudstream.cli.failure import Failure
from fraudstream.cli.settings import Settings, add_setting
from fraudstream.cli.time_flags import duration_ms, now_ms
from fraudstream.contracts.timestamps import utc_text

if TYPE_CHECKING:
    from fraudstream.cli.main import Subparsers

_EXAMPLE = argparse.RawDescriptionHelpFormatter
_NEEDED = ("httptools", "joserfc", "starlette", "uvicorn")


def add_parser(subparsers: Subparsers) -> None:
    """Add `gateway`, and its action `new-key`."""
    parser = subparsers.add_parser(
        "gateway",
        help="decide payments over HTTP, within a deadline",
        description=(
            "Without an action: serves POST /v1/decisions until SIGTERM or Ctrl-C. It publishes each payment, waits "
            "for the worker's decision, and answers with it; where none comes in time, with the outcome that the "
            "settings name. Run as many as needed; workers must run."
        ),
        epilog=(
            "example:\n"
            "  fraudstream gateway --bootstrap-servers kafka-1:9092\n"
            "  curl -H 'Content-Type: application/json' -d @payment.json http://127.0.0.1:8470/v1/decisions"
        ),
        formatter_class=_EXAMPLE,
    )
    add_setting(parser, "kafka.bootstrap_servers")
    for setting in ("host", "port", "instance", "clients_file", "deadline_ms", "timeout_outcome"):
        add_setting(parser, f"gateway.{setting}")
    metrics_port.add_flags(parser, "metrics.gateway_port")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", dest="action")
    key = actions.add_parser(
        "new-key",
        help="make an API key, and the entry for the file of clients",
        description=(
            "Makes an API key for a client, prints it once, and the entry with its SHA-256 for gateway.clients_file. "
            "To replace a key, add a second one to the client, and remove the first when nobody uses it any longer."
        ),
        epilog="example:\n  fraudstream gateway new-key checkout --for 365d",
        formatter_class=_EXAMPLE,
    )
    key.add_argument("name", metavar="NAME", help="of the client")
    key.add_argument("--scope", action="append", choices=("decide", "read"), help="repeatable (default: both)")
    key.add_argument(
        "--for", dest="for_ms", metavar="TIME", type=duration_ms, default="365d", help="it expires then (default: 365d)"
    )
    key.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="print JSON")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Serve, or make a key. Raises `Failure`."""
    if missing := missing_packages():
        raise Failure(f"the gateway needs more packages ({', '.join(missing)}): pip install 'fraudstream[gateway]'.")
    if args.action == "new-key":
        return _new_key(args)
    from fraudstream.cli.gateway_server import run_server

    return run_server(settings, as_json=args.json)


def missing_packages() -> list[str]:
    """The packages that the gateway needs and that are not installed."""
    return [name for name in _NEEDED if find_spec(name) is None]


def _new_key(args: argparse.Namespace) -> int:
    from fraudstream.gateway.access.clients import ClientsError, key_digest, new_key, read_clients

    text, expires_at = new_key(), utc_text(now_ms() + args.for_ms)
    scopes = tuple(dict.fromkeys(args.scope or ("decide", "read")))
    if args.for_ms <= 0:
        raise Failure("--for: a key lives for longer than 0.")
    entry = (
        f"  - name: {args.name}\n"
        f"    scopes: [{', '.join(scopes)}]\n"
        f"    api_keys:\n"
        f"      - {{sha256: {key_digest(text)}, expires_at: {expires_at}}}\n"
    )
    try:
        read_clients(f"clients:\n{entry}", "NAME")
    except ClientsError as error:
        raise Failure(str(error)) from error
    if args.json:
        print(json.dumps({"name": args.name, "key": text, "sha256": key_digest(text), "expires_at": expires_at}))
        return 0
    print(f"the key, which is not shown again: {text}")
    print(f"for gateway.clients_file, under 'clients:':\n{entry}", end="")
    return 0
