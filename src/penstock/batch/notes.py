"""What the first reading of an input leaves for the second: who asks what, without the bodies.

A row that the cache answers is then read once. Kept in a temporary file, a few dozen bytes a row.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import IO

import msgspec

from penstock.batch.sources import Row
from penstock.call import Kind

__all__ = ["BLOCK_ROWS", "Digest", "Note", "Notes", "full_digest"]

BLOCK_ROWS = 1024
_IN_MEMORY_BYTES = 4 * 1024 * 1024

_encode = msgspec.msgpack.Encoder().encode


Digest = Callable[[Row, bytes, bytes], bytes]
"""From a row, its canonical body and that one's `full_digest` to the digest under which the cache has its answer."""


Note = tuple[int, str, Kind, str | None, bytes, bytes, int]
"""Of one good row: its index, custom_id, kind, model, `full_digest`, the digest that the cache goes by (b"" where it is
the same one), and the hash that `Equals` knows it by."""

_decode = msgspec.msgpack.Decoder(list[Note]).decode


def full_digest(kind: Kind, canonical_body: bytes) -> bytes:
    """32 bytes of what a row asks, its model apart."""
    # A chat's form can't be another kind's; of the others the forms overlap.
    return sha256(canonical_body if kind == "chat" else kind.encode() + canonical_body).digest()


class Notes:
    """Written row by row, then read in groups."""

    def __init__(self, asked: Digest) -> None:
        self._asked = asked
        self._file: IO[bytes] | None = None
        self._block: list[Note] = []
        self._is_whole = True

    def __del__(self) -> None:
        self.close()

    def close(self) -> None:
        """Give up what was written."""
        if self._file is not None:
            self._file.close()

    def add(self, row: Row, canonical_body: bytes, digest: bytes, hashed: int) -> None:
        """`digest` is the row's `full_digest`."""
        if row.prompt is not None:
            self._is_whole = False
        if not self._is_whole:
            return
        asked = self._asked(row, canonical_body, digest)
        told = b"" if asked is digest else asked
        self._block.append((row.index, row.custom_id, row.kind, row.model, digest, told, hashed))
        if len(self._block) >= BLOCK_ROWS:
            self._write()

    def _write(self) -> None:
        block = _encode(self._block)
        self._block.clear()
        try:
            if self._file is None:
                self._file = tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES)  # noqa: SIM115 - read later
            self._file.write(len(block).to_bytes(4, "big") + block)
        except OSError:  # no room: the rows are read again
            self._is_whole = False

    def finish(self, *, is_clean: bool) -> bool:
        """Whether they hold every row of the input."""
        if self._block:
            self._write()
        self._is_whole = self._is_whole and is_clean
        if not self._is_whole:
            self.close()
        return self._is_whole

    def __iter__(self) -> Iterator[list[Note]]:
        """In groups, in the order of the input. Once."""
        if self._file is None:
            return
        self._file.seek(0)
        while size := self._file.read(4):
            yield _decode(self._file.read(int.from_bytes(size, "big")))
        self.close()
