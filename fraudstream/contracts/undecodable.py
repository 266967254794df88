"""What decoding JSON that others have written may raise."""

from __future__ import annotations

from typing import Final

import msgspec

# Texts that are no UTF-8 and objects nested too deep are not among msgspec's own errors.
UNDECODABLE: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
