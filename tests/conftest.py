"""What holds for every test."""

from __future__ import annotations

import itertools
from pathlib import Path

import hypothesis
import pytest

# A property isn't wrong because the machine was busy while it was tried.
hypothesis.settings.register_profile("penstock", deadline=None)
hypothesis.settings.load_profile("penstock")

_number = itertools.count()


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the tests of this session keep what penstock keeps for its users."""
    return tmp_path_factory.mktemp("user")


@pytest.fixture(autouse=True)
def own_folders(folders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test has a user's folders of its own: nobody's cache, conversations or settings are read or written."""
    mine = folders / str(next(_number))
    for kind in ("CACHE", "CONFIG", "DATA", "STATE"):
        monkeypatch.setenv(f"XDG_{kind}_HOME", str(mine / kind.lower()))
