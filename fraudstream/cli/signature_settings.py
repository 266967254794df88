"""The section [signatures]: which records of the payments log must be signed, and by which secrets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import Meta

from fraudstream.cli.failure import Failure
from fraudstream.cli.secret_file import secret_of_file

if TYPE_CHECKING:
    from fraudstream.contracts.record_signature import RecordSignatures, SignedKind, SigningSecrets


class SignaturesSettings(msgspec.Struct, frozen=True):
    """[signatures]"""

    controls_file: Annotated[
        Annotated[str, Meta(min_length=1)] | None,
        Meta(
            description=(
                "file of secrets, `KEY_ID HEX` a line, that sign rule-set switches and list entries; the first signs, "
                "all are accepted; with it, workers refuse unsigned ones"
            )
        ),
    ] = None
    labels_file: Annotated[
        Annotated[str, Meta(min_length=1)] | None,
        Meta(description="the same for labels in the log of payments"),
    ] = None

    def given(self) -> RecordSignatures:
        """The secrets of both kinds. Raises `Failure` for a file that cannot be used."""
        from fraudstream.contracts.record_signature import RecordSignatures

        return RecordSignatures(
            _secrets("control", "signatures.controls_file", self.controls_file),
            _secrets("label", "signatures.labels_file", self.labels_file),
        )


def _secrets(kind: SignedKind, setting: str, path: str | None) -> SigningSecrets | None:
    from fraudstream.contracts.record_signature import parse_secrets

    if path is None:
        return None
    try:
        return parse_secrets(kind, secret_of_file(setting, path))
    except ValueError as error:
        raise Failure(f"{setting} {path}: {error}") from error
