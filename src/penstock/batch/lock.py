"""One run on one journal: a lock that dies with its process."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from penstock.errors import JournalError

__all__ = ["RunLock", "is_locked"]


class RunLock:
    """An exclusive lock beside the journal, held until `release` or the end of the process, however that comes.

    A file of its own, since closing any descriptor of the journal would drop SQLite's own locks on it.
    """

    def __init__(self, journal: Path) -> None:
        """Raises `JournalError` when another run holds it."""
        self.path = _lock_path(journal)
        while True:
            self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                holder = os.read(self._file, 32).decode("ascii", "replace").strip()
                os.close(self._file)
                who = f" (process {holder})" if holder.isdigit() else ""
                raise JournalError(f"{journal}: another run{who} is writing to it; wait for it or stop it") from None
            if _same_file(self._file, self.path):
                break
            os.close(self._file)  # the holder before us removed it between our open and our lock
        os.ftruncate(self._file, 0)
        os.write(self._file, f"{os.getpid()}\n".encode())

    def release(self) -> None:
        if self._file >= 0:
            self.path.unlink(missing_ok=True)
            os.close(self._file)
            self._file = -1


def is_locked(journal: Path) -> bool:
    """A run is writing to this journal now."""
    try:
        file = os.open(_lock_path(journal), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(file)
    return False


def _lock_path(journal: Path) -> Path:
    return journal.with_name(journal.name + "-lock")


def _same_file(file: int, path: Path) -> bool:
    try:
        return os.fstat(file).st_ino == path.stat().st_ino
    except FileNotFoundError:
        return False
