"""Where a user's files of a program are, by the platform's own custom. Pure."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

__all__ = ["data_file", "state_file"]


def data_file(environ: Mapping[str, str], name: str) -> Path:
    """The file `name` of ours in the user's folder for the data of programs."""
    return _file(environ, name, told="XDG_DATA_HOME", usual="share")


def state_file(environ: Mapping[str, str], name: str) -> Path:
    """The file `name` of ours in the user's folder for the state of programs."""
    return _file(environ, name, told="XDG_STATE_HOME", usual="state")


def _file(environ: Mapping[str, str], name: str, *, told: str, usual: str) -> Path:
    if folder := environ.get(told):
        return Path(folder) / "penstock" / name
    home = Path(environ.get("HOME") or environ.get("USERPROFILE") or Path.home())
    if sys.platform == "darwin":
        return home / "Library" / "Application Support" / "penstock" / name
    if os.name == "nt" and (folder := environ.get("LOCALAPPDATA")):
        return Path(folder) / "penstock" / name
    return home / ".local" / usual / "penstock" / name
