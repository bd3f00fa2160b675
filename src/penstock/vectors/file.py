"""A file of records that only grows at its end: what is whole is kept whatever happens, what is torn is cut off.

A record is its length, the CRC of its bytes (each four bytes, little-endian) and its bytes, behind a head of eight.
Any number of processes may read it and append to it: whoever writes holds a lock beside it.
"""

from __future__ import annotations

import contextlib
import os
import struct
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

__all__ = ["RecordFile"]

HEAD: Final = b"penvec\x00\x01"
_FRAME: Final = struct.Struct("<II")
_MOST_BYTES: Final = 16 * 1024 * 1024


class RecordFile:
    """Records in the order in which anybody appended them. Raises `OSError`, and `ValueError` for another's file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._at = 0
        self._inode = -1

    def read(self) -> tuple[bool, list[bytes]]:
        """Whether the file was begun anew since the last time (forget what it said), and the records since then."""
        try:
            file = self.path.open("rb")
        except FileNotFoundError:
            was_there, self._inode, self._at = self._inode != -1, -1, 0
            return was_there, []
        with file:
            status = os.fstat(file.fileno())
            is_anew = status.st_ino != self._inode or status.st_size < self._at
            if is_anew:
                if file.read(len(HEAD)) not in (HEAD, b""):
                    raise ValueError(f"{self.path} is no file of vectors of this version; it was left as it is")
                self._inode, self._at = status.st_ino, len(HEAD)
            if status.st_size <= self._at:
                return is_anew, []
            file.seek(self._at)
            records = list(self._whole(file.read(status.st_size - self._at)))
        return is_anew, records

    def _whole(self, data: bytes) -> Iterator[bytes]:
        at = 0
        while at + _FRAME.size <= len(data):
            length, crc = _FRAME.unpack_from(data, at)
            end = at + _FRAME.size + length
            if length > _MOST_BYTES or end > len(data):
                return
            record = data[at + _FRAME.size : end]
            if zlib.crc32(record) != crc:
                return
            self._at += end - at
            at = end
            yield record

    @property
    def has_news(self) -> bool:
        """Whether somebody else wrote since the last `read`."""
        try:
            status = self.path.stat()
        except FileNotFoundError:
            return self._inode != -1
        return status.st_ino != self._inode or status.st_size != self._at

    def append(self, records: Iterable[bytes]) -> bool:
        """Write behind the last whole record; False when another process is writing, or when there is news: read
        first."""
        with self._locked() as is_ours:
            if not is_ours:
                return False
            if self._inode == -1 and not self.path.exists():
                self._begin()
            elif self.has_news and not self._is_torn():
                return False
            with self.path.open("r+b") as file:
                file.truncate(self._at)
                file.seek(self._at)
                for record in records:
                    file.write(_framed(record))
                self._at = file.tell()
        return True

    def rewrite(self, records: Iterable[bytes]) -> bool:
        """Begin the file anew with these records alone; False when another process is writing or there is news."""
        with self._locked() as is_ours:
            if not is_ours or (self.has_news and not self._is_torn()):
                return False
            beside = self.path.with_name(f"{self.path.name}.new")
            with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                file.write(HEAD)
                for record in records:
                    file.write(_framed(record))
                self._at = file.tell()
                self._inode = os.fstat(file.fileno()).st_ino
            beside.replace(self.path)
        return True

    def _begin(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(self.path, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
            file.write(HEAD)
            self._inode, self._at = os.fstat(file.fileno()).st_ino, len(HEAD)

    def _is_torn(self) -> bool:
        """What stands behind our place is no whole record: somebody died while writing it."""
        at, inode = self._at, self._inode
        is_anew, records = self.read()
        if is_anew or records:
            self._at, self._inode = at, inode
            return False
        return True

    @contextlib.contextmanager
    def _locked(self) -> Iterator[bool]:
        import fcntl

        self.path.parent.mkdir(parents=True, exist_ok=True)
        lock = os.open(self.path.with_name(f"{self.path.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
            else:
                yield True
        finally:
            os.close(lock)


def _framed(record: bytes) -> bytes:
    return _FRAME.pack(len(record), zlib.crc32(record)) + record
