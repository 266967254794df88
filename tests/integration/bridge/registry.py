"""A real schema registry, through Confluent's API."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Sequence
from typing import Any


class Registry:
    """The registry at `url`."""

    def __init__(self, url: str) -> None:
        self.url = url

    def register(self, subject: str, schema: str, references: Sequence[dict[str, Any]] = (), kind: str = "AVRO") -> int:
        """Register the text of a schema; its id."""
        body = {"schema": schema, "schemaType": kind, "references": list(references)}
        return int(self.request("POST", f"/subjects/{subject}/versions", body)["id"])

    def request(self, method: str, path: str, body: dict[str, Any]) -> Any:
        """The registry's answer to a request."""
        headers = {"Content-Type": "application/vnd.schemaregistry.v1+json"}
        request = urllib.request.Request(self.url + path, json.dumps(body).encode(), headers, method=method)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)
