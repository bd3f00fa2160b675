"""A user's files are where the platform keeps them, unless the environment says otherwise."""

import sys
from pathlib import Path

import pytest

from penstock.config.folders import data_file, state_file


def test_the_environment_names_the_folder() -> None:
    environ = {"XDG_DATA_HOME": "/data", "XDG_STATE_HOME": "/state", "HOME": "/users/a"}
    assert data_file(environ, "x") == Path("/data/penstock/x")
    assert state_file(environ, "x") == Path("/state/penstock/x")


@pytest.mark.skipif(sys.platform in ("darwin", "win32"), reason="other systems have folders of their own")
def test_without_it_they_are_under_the_users_home() -> None:
    assert data_file({"HOME": "/users/a"}, "x") == Path("/users/a/.local/share/penstock/x")
    assert state_file({"HOME": "/users/a", "XDG_STATE_HOME": ""}, "x") == Path("/users/a/.local/state/penstock/x")
