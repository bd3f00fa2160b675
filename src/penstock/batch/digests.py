"""The digests of an input's rows, from its first reading for its second: so that each is made once."""

from __future__ import annotations

import tempfile
from typing import IO

__all__ = ["DIGEST_BYTES", "Digests"]

DIGEST_BYTES = 16
_BLOCK_ROWS = 16_384
_BLOCK_BYTES = _BLOCK_ROWS * DIGEST_BYTES
_IN_MEMORY_BYTES = 1024 * 1024


class Digests:
    """One for each row, the bad ones included, in the order of the input. Beyond a megabyte they are in a temporary
    file."""

    def __init__(self, fingerprint: bytes | None) -> None:
        """`fingerprint` is the input's, from before it was read."""
        self.fingerprint = fingerprint
        self.is_whole = True
        """Each is there: the temporary file had room."""
        self._file: IO[bytes] | None = None
        self._tail = bytearray()
        self._block = b""
        self._number = -1

    def __del__(self) -> None:
        if self._file is not None:
            self._file.close()

    def add(self, digest: bytes = bytes(DIGEST_BYTES)) -> None:
        """The next row's; without one for a bad row."""
        self._tail += digest
        if len(self._tail) >= _BLOCK_BYTES:
            self._write()

    def _write(self) -> None:
        try:
            if self._file is None:
                self._file = tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES)  # noqa: SIM115 - read later
            if self.is_whole:
                self._file.write(self._tail)
        except OSError:  # no room: they are made again
            self.is_whole = False
        self._tail.clear()

    def finish(self) -> None:
        """Every row was seen."""
        self._write()

    def of(self, index: int) -> bytes:
        """A row's, cheap when asked in about the order of the input."""
        number, at = divmod(index, _BLOCK_ROWS)
        if number != self._number:
            assert self._file is not None
            self._file.seek(number * _BLOCK_BYTES)
            self._block, self._number = self._file.read(_BLOCK_BYTES), number
        at *= DIGEST_BYTES
        return self._block[at : at + DIGEST_BYTES]
