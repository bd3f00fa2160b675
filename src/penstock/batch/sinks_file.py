"""A file that is there whole or not at all."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

__all__ = ["unfinished", "whole_file"]


@contextlib.contextmanager
def whole_file(path: Path, *, until: str = ".tmp") -> Iterator[BinaryIO]:
    """A file to write that takes the place of `path` when the block ends well; otherwise `path` is as it was.

    Until then it is a hidden file whose name ends in `until`: two that write at a time need two of them.

    It is on the disk by then. A device or FIFO is written as it is. A link keeps pointing where it does. Raises
    `OSError`.
    """
    path = path.resolve()
    if path.exists() and not path.is_file():
        with path.open("wb") as device:
            yield device
        return
    # One name for all: what a killed process left behind is overwritten by the next.
    temporary = unfinished(path, until=until)
    try:
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileNotFoundError):
            shutil.copymode(path, temporary)
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def unfinished(path: Path, *, until: str) -> Path:
    """Where the lines of `path` are until it is whole."""
    return path.with_name(f".{path.name}{until}")


def _sync_folder(folder: Path) -> None:
    """The rename itself is on the disk only when its folder is; not every system lets a folder be opened."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
