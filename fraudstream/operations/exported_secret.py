"""The identifier secret of a state export: a state can be used only with the secret that it was built under.

A secret that the topic `controls` keeps is exported as a file that `identifiers.secret_file` can name. One that an
operator gave in the settings is not: the operator keeps it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from fraudstream.contracts.error_text import system_error_text
from fraudstream.controls.secret import keep_secret, read_secret
from fraudstream.engine.identifier_key import key_of, parse_secret
from fraudstream.operations.errors import OperationError
from fraudstream.operations.state_files import ExportError
from fraudstream.stream.control_log import controls_topic
from fraudstream.stream.settings import StreamSettings

SECRET_FILE: Final = "identifier-secret"


class SecretMissingError(OperationError):
    """The secret with the fingerprint `exported` is neither in the export nor in this deployment."""

    def __init__(self, exported: str, directory: Path) -> None:
        super().__init__(
            f"The export was made under the identifier secret {exported}, which {directory} does not hold: its "
            "operator kept it. Give it with identifiers.secret_file, to the import and to all workers."
        )
        self.exported = exported


class OtherSecretError(OperationError):
    """The export was made under the secret with the fingerprint `exported`, this deployment has `found`."""

    def __init__(self, exported: str, found: str, origin: str, file: Path) -> None:
        where = f"set identifiers.secret_file to {file}" if file.is_file() else "give it with identifiers.secret_file"
        super().__init__(
            f"The export was made under the identifier secret {exported}, {origin} has {found}. To import it, {where}, "
            "for the import and for all workers."
        )
        self.exported = exported
        self.found = found


async def export_secret(settings: StreamSettings, fingerprint: str, directory: Path) -> None:
    """Write the secret of a state into its export, if `controls` keeps it. `fingerprint`: of the state's secret.

    Only the user may read the file. Raises `ExportError`, and what aiokafka raises.
    """
    secret = await read_secret(controls_topic(settings))
    if secret is None or key_of(secret).fingerprint != fingerprint:
        return
    path = directory / SECRET_FILE
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(f"{secret.hex()}\n")
    except OSError as error:
        raise ExportError(path, f": cannot be written: {system_error_text(error)}.") from error


async def import_secret(settings: StreamSettings, fingerprint: str, directory: Path) -> None:
    """Make sure that the workers have the secret of an export; a deployment without one gets that of the export.

    Raises `SecretMissingError`, `OtherSecretError`, `ExportError`, and what aiokafka raises.
    """
    topic = controls_topic(settings)
    origin, secret = "the setting", settings.identifier_secret
    if secret is None:
        origin, secret = f"the topic '{topic.name}'", await read_secret(topic)
    if secret is None:
        exported = _exported(directory)
        if exported is None or key_of(exported).fingerprint != fingerprint:
            raise SecretMissingError(fingerprint, directory)
        secret = await keep_secret(topic, exported)
    if (found := key_of(secret).fingerprint) != fingerprint:
        raise OtherSecretError(fingerprint, found, origin, directory / SECRET_FILE)


def _exported(directory: Path) -> bytes | None:
    """The secret in an export; None if it holds none. Raises `ExportError`."""
    path = directory / SECRET_FILE
    try:
        return parse_secret(path.read_bytes().decode(errors="replace")) if path.exists() else None
    except (OSError, ValueError) as error:
        raise ExportError(path, f": {error}") from error
