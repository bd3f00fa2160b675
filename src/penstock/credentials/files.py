"""A file that holds a key and changes while the key is in use."""

from __future__ import annotations

import logging
import stat
from pathlib import Path

__all__ = ["KeyFile", "read_key"]

_MOST_KEY_BYTES = 64 * 1024
_LOOKS_BEFORE_WARNING = 2
_log = logging.getLogger("penstock.credentials")


def read_key(path: Path) -> str:
    """The key in a file, without the spaces and line ends around it. Raises `ValueError` that never shows it."""
    try:
        with path.open("rb") as file:
            held = file.read(_MOST_KEY_BYTES + 1)
    except OSError as error:
        raise ValueError(error.strerror or str(error)) from error
    try:
        key = held.decode("ascii").strip()
    except UnicodeDecodeError:
        raise ValueError("it holds no plain text") from None
    if not key or len(held) > _MOST_KEY_BYTES or any(character.isspace() for character in key):
        raise ValueError("it must hold one key and nothing else")
    return key


class KeyFile:
    """Tells when its file holds another key, by its time, size and inode: a file that was renamed into place counts.

    A file that is gone, empty or broken changes nothing, and is looked at until it is whole again. Only regular files
    are read again: a pipe gives its key once.
    """

    __slots__ = ("_looks", "_stamp", "path")

    def __init__(self, path: Path) -> None:
        self.path = path
        self._stamp: tuple[int, int, int] | None = None
        self._looks = 0
        """Times in a row that no key was found."""

    def read_again(self) -> str | None:
        """The key, when the file changed since the last time that it gave one; else None. The first time it gives one.

        Trouble is logged once, at the second look: the first may have met a file that was just being written.
        """
        try:
            # Before it is read: what is written meanwhile is seen the next time.
            told = self.path.stat()
        except OSError:
            stamp = None
        else:
            if not stat.S_ISREG(told.st_mode):
                return None
            stamp = (told.st_mtime_ns, told.st_size, told.st_ino)
            if stamp == self._stamp:
                return None
        try:
            key = read_key(self.path)
        except ValueError as error:
            self._stamp = None
            self._looks += 1
            if self._looks == _LOOKS_BEFORE_WARNING:
                _log.warning("the key file %s gives no key, the last one stays in use: %s", self.path, error)
            return None
        self._stamp = stamp
        self._looks = 0
        return key

    def __repr__(self) -> str:
        return f"KeyFile({str(self.path)!r})"
