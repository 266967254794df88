"""A schema registry with Confluent's API: Confluent's own, Karapace, Apicurio (`/apis/ccompat/v7`).

A schema of an id never changes, so each is asked for once. What is not there is asked for again.
"""

from __future__ import annotations

import base64
import json
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from typing import Any, Final, Literal

import msgspec

from fraudstream.contracts.error_text import error_text, system_error_text
from fraudstream.formats.wire_format import RegisteredSchema, SchemaReference, UnknownSchemaError

ATTEMPTS_MAX: Final = 3
RETRY_S: Final = 0.5
ANSWER_BYTES_MAX: Final = 4 << 20
REFERENCES_MAX: Final = 100
_ACCEPT: Final = "application/vnd.schemaregistry.v1+json, application/json"

SubjectStrategy = Literal["any", "topic", "record", "topic_record"]


class RegistryError(Exception):
    """The registry did not answer, or refuses us. `sentence`: what went wrong, where."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


class RegistrySettings(msgspec.Struct, frozen=True, kw_only=True):
    """How a registry is reached. `username` and `password` are for Basic authentication, `token` is a bearer's.
    `cafile`: PEM file of the authorities that sign its certificate, None for the system's. `timeout_s`: for each
    answer. `subject_strategy`: under which subject a schema of the topic must be registered."""

    url: str
    username: str | None = None
    password: str | None = None
    token: str | None = None
    cafile: str | None = None
    timeout_s: float = 5.0
    subject_strategy: SubjectStrategy = "any"


class SchemaRegistry:
    """The schemas for the messages of `topic`. Calls block, so they are for threads."""

    def __init__(self, settings: RegistrySettings, topic: str) -> None:
        """Raises `RegistryError` for a file of authorities that cannot be read."""
        self._settings, self._topic = settings, topic
        self._known: dict[int, RegisteredSchema] = {}
        handlers: list[urllib.request.BaseHandler] = [_NoRedirect()]
        if settings.url.startswith("https://"):
            try:
                context = ssl.create_default_context(cafile=settings.cafile)
            except OSError as error:
                raise RegistryError(
                    f"registry.cafile {settings.cafile}: cannot be read: {system_error_text(error)}."
                ) from error
            handlers.append(urllib.request.HTTPSHandler(context=context))
        self._opener = urllib.request.build_opener(*handlers)

    def schema(self, schema_id: int) -> RegisteredSchema:
        """As `SchemaSource.schema`. Raises `RegistryError` if the registry does not answer."""
        if schema_id not in self._known:
            answer = self._get(f"/schemas/ids/{schema_id}")
            if answer is None:
                raise UnknownSchemaError(f"has the schema {schema_id}, which {self._settings.url} does not have.")
            kind = str(answer.get("schemaType") or "AVRO")
            self._known[schema_id] = RegisteredSchema(kind, str(answer.get("schema")), self._references(answer))
        return self._known[schema_id]

    def check_subject(self, schema_id: int, record_name: str) -> None:
        """As `SchemaSource.check_subject`. Raises `RegistryError` if the registry does not answer."""
        strategy = self._settings.subject_strategy
        if strategy == "any":
            return
        due = subject(strategy, self._topic, record_name)
        versions = self._get(f"/schemas/ids/{schema_id}/versions") or []
        if due not in {version.get("subject") for version in versions}:
            raise UnknownSchemaError(
                f"has the schema {schema_id}, which is not registered under the subject '{due}' of this topic."
            )

    def _references(self, answer: Mapping[str, Any]) -> tuple[SchemaReference, ...]:
        """The schemas that one refers to, in the order in which they are to be parsed."""
        found_of: dict[tuple[str, str], SchemaReference] = {}

        def collect(schema: Mapping[str, Any]) -> None:
            for reference in schema.get("references") or ():
                place = (str(reference["subject"]), str(reference["version"]))
                if place in found_of:
                    continue
                if len(found_of) >= REFERENCES_MAX:
                    raise UnknownSchemaError(f"has a schema that refers to more than {REFERENCES_MAX} others.")
                found = self._get(f"/subjects/{urllib.parse.quote(place[0], safe='')}/versions/{place[1]}")
                if found is None:
                    raise UnknownSchemaError(f"has a schema that refers to {place[0]}, version {place[1]}: not there.")
                own = SchemaReference(str(reference.get("name", place[0])), str(found["schema"]))
                found_of[place] = own  # a circle ends here
                collect(found)
                del found_of[place]
                found_of[place] = own  # behind those that it refers to

        collect(answer)
        return tuple(found_of.values())

    def _get(self, path: str) -> Any:
        """The answer to a request; None if there is no such thing. Raises `RegistryError`."""
        url = self._settings.url.rstrip("/") + path
        for attempt in range(1, ATTEMPTS_MAX + 1):
            try:
                return self._answer(url)
            except urllib.error.HTTPError as error:
                if error.code == 404 and _is_known_to_be_missing(error):
                    return None
                if error.code in (401, 403):
                    raise RegistryError(
                        f"the schema registry at {self._settings.url} refuses us ({error.code}): check "
                        "registry.username, registry.password_file and registry.token_file."
                    ) from None
                reason = f"HTTP {error.code}"
            except (OSError, ValueError) as error:  # no connection, a time-out, an answer that is no JSON
                reason = error_text(error)
            if attempt < ATTEMPTS_MAX:
                time.sleep(RETRY_S * attempt)
        raise RegistryError(f"the schema registry at {self._settings.url} does not answer {path}: {reason}.")

    def _answer(self, url: str) -> Any:
        settings, headers = self._settings, {"Accept": _ACCEPT}
        if settings.token is not None:
            headers["Authorization"] = f"Bearer {settings.token}"
        elif settings.username is not None:
            pair = f"{settings.username}:{settings.password or ''}".encode()
            headers["Authorization"] = f"Basic {base64.b64encode(pair).decode()}"
        request = urllib.request.Request(url, headers=headers)
        with self._opener.open(request, timeout=settings.timeout_s) as response:
            return json.loads(response.read(ANSWER_BYTES_MAX))


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: it would take our password to another host."""

    def redirect_request(self, *_: Any) -> None:
        """None: the answer is an error."""


def subject(strategy: SubjectStrategy, topic: str, record_name: str) -> str:
    """The subject of a topic's values by Confluent's strategies.

    >>> [subject(strategy, "bank", "com.bank.Payment") for strategy in ("topic", "record", "topic_record")]
    ['bank-value', 'com.bank.Payment', 'bank-com.bank.Payment']
    """
    return {"topic": f"{topic}-value", "record": record_name, "topic_record": f"{topic}-{record_name}"}[strategy]


def _is_known_to_be_missing(error: urllib.error.HTTPError) -> bool:
    """Whether the registry says that a subject, version or schema is not there; any other 404 is a wrong URL."""
    try:
        return str(json.loads(error.read(ANSWER_BYTES_MAX))["error_code"]).startswith("404")
    except (OSError, ValueError, KeyError, TypeError):
        return False
