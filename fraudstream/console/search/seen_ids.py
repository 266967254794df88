"""Ids that have been seen, in little memory."""

from __future__ import annotations

from typing import Final

_BITS: Final = 1 << 27  # 16 MB: among 1,000,000 ids that are new, 4,000 count as seen


class SeenIds:
    """Ids by one bit of a digest (a Bloom filter with one hash function): an id that has been seen always counts as
    seen, and so do a few that have not.

    >>> ids = SeenIds()
    >>> ids.see("a"), ids.see("b"), ids.see("a")
    (False, False, True)
    """

    def __init__(self) -> None:
        self._bits = bytearray(_BITS >> 3)

    def see(self, id_: str) -> bool:
        """See an id. Whether it counts as seen before."""
        number = hash(id_) % _BITS
        place, bit = number >> 3, 1 << (number & 7)
        if self._bits[place] & bit:
            return True
        self._bits[place] |= bit
        return False
