"""The names of the headers of W3C Trace Context, and their sizes. Machine code of the engine depends on them."""

from typing import Final

TRACEPARENT_HEADER: Final = "traceparent"
TRACESTATE_HEADER: Final = "tracestate"
TRACEPARENT_CHARACTERS: Final = 55  # of version 00; later versions may append to them
