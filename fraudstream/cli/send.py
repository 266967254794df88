"""`fraudstream send`: decide a payment at a gateway, from a terminal."""

from __future__ import annotations

import argparse
import json
import os
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

from fraudstream.cli.count_flag import positive_count
from fraudstream.cli.failure import Failure
from fraudstream.cli.secret_file import secret_of_file
from fraudstream.cli.settings import Settings

if TYPE_CHECKING:
    from fraudstream.cli.main import Subparsers
    from fraudstream.client import GatewayAnswer, PaymentRefusedError

BYTES_MAX: Final = 1 << 20


def add_parser(subparsers: Subparsers) -> None:
    """Add `send`."""
    parser = subparsers.add_parser(
        "send",
        help="decide one payment, or several, at a gateway",
        description=(
            "Sends a payment, or a JSON array of them, to a gateway and prints each answer as a line of JSON. Exit "
            "code 1 if one of them was refused, or had no decision in time."
        ),
        epilog=(
            "example:\n"
            '  fraudstream send \'{"event_id":"p-1","occurred_at":"2026-01-05T09:30:00Z","account_id":"acc-1",'
            '"amount":"12.50","currency":"EUR","direction":"debit"}\'\n'
            "  fraudstream send - < payment.json"
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("payment", metavar="JSON", help="the payment, or an array of payments; -: from standard input")
    parser.add_argument(
        "--url", metavar="URL", default=None, help="of the gateway (default: that of gateway.host and gateway.port)"
    )
    parser.add_argument(
        "--deadline-ms",
        metavar="MS",
        type=positive_count,
        default=1_000,
        help="how long to wait, up to 10000 (default: 1000)",
    )
    parser.add_argument("--key-file", metavar="FILE", help="file with the API key or access token")
    parser.add_argument("--idempotency-key", metavar="TEXT", help="stands for the event_id of payments without one")
    parser.add_argument("--json", action="store_true", help="print JSON, as it always does")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Send and print. Raises `Failure`."""
    if find_spec("httpx") is None:
        raise Failure("send needs the package httpx: pip install 'fraudstream[gateway]'.")
    from fraudstream.client import GatewayClient, GatewayError, PaymentRefusedError

    body = (sys.stdin.buffer.read(BYTES_MAX) if args.payment == "-" else os.fsencode(args.payment)).strip()
    key = None if args.key_file is None else secret_of_file("--key-file", args.key_file)
    url = args.url or f"http://{settings.gateway.host}:{settings.gateway.port}"
    options = {"deadline_ms": args.deadline_ms, "idempotency_key": args.idempotency_key}
    answers: list[GatewayAnswer | PaymentRefusedError]
    try:
        with GatewayClient(url, key) as gateway:
            if body.startswith(b"["):
                answers = gateway.decide_several(body, **options)  # type: ignore[arg-type]
            else:
                answers = [gateway.decide(body, **options)]
    except PaymentRefusedError as error:
        raise Failure(f"the payment cannot be decided ({error.code}): {error}") from error
    except GatewayError as error:
        remedy = " Start it with `fraudstream gateway`, or give --url." if error.code == "away" else ""
        raise Failure(f"{error}.{remedy}".replace("..", ".")) from error
    return 0 if all(map(_print, answers)) else 1


def _print(answer: GatewayAnswer | PaymentRefusedError) -> bool:
    """Print an answer; returns whether it is a decision."""
    from fraudstream.client import PaymentRefusedError

    if isinstance(answer, PaymentRefusedError):
        print(json.dumps({"code": answer.code, "detail": answer.sentence, "path": answer.path}, ensure_ascii=False))
        return False
    print(json.dumps(dict(answer.fields), ensure_ascii=False))
    return not answer.timed_out
