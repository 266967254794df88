"""The text of a struct without the values of its secrets: settings end up in log lines and tracebacks."""

from __future__ import annotations

from typing import Final

import msgspec

HIDDEN: Final = "<hidden>"


def repr_without(struct: msgspec.Struct, *secrets: str) -> str:
    """As `repr`, with `<hidden>` for those of the fields `secrets` that have a value."""
    shown = (
        f"{name}={HIDDEN if name in secrets and value is not None else repr(value)}"
        for name in struct.__struct_fields__
        for value in (getattr(struct, name),)
    )
    return f"{type(struct).__name__}({', '.join(shown)})"
