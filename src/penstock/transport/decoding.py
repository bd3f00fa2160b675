"""Bodies decoded of gzip and deflate piece by piece, within a bound, and whole or an error."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

__all__ = ["Decoded", "NotWhole", "TooLarge"]

_PIECE = 65536
_WBITS = {"gzip": 31, "x-gzip": 31, "deflate": 15}


class NotWhole(Exception):
    """The compressed body is broken or ends too early, or nothing here decodes it."""


class TooLarge(Exception):
    """The body has more bytes than it may."""


class Decoded:
    """Pieces in, decoded pieces out, at most `max_bytes` of them together."""

    __slots__ = ("_left", "_unpack")

    def __init__(self, encoding: str, max_bytes: int) -> None:
        self._left = max_bytes
        self._unpack = None
        if encoding not in ("", "identity"):
            if encoding not in _WBITS:
                raise NotWhole(encoding)
            self._unpack = zlib.decompressobj(wbits=_WBITS[encoding])

    def feed(self, piece: bytes) -> Iterator[bytes]:
        if self._unpack is None:
            self._count(piece)
            yield piece
            return
        while piece:
            try:
                out = self._unpack.decompress(piece, _PIECE)
            except zlib.error as error:
                raise NotWhole from error
            piece = self._unpack.unconsumed_tail
            if out:
                self._count(out)
                yield out
            elif self._unpack.eof:
                return

    def end(self) -> None:
        """The body is over; raises `NotWhole` when it may not be."""
        if self._unpack is not None and not self._unpack.eof:
            raise NotWhole

    def _count(self, out: bytes) -> None:
        self._left -= len(out)
        if self._left < 0:
            raise TooLarge
