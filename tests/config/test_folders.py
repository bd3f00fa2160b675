"""A user's files are where the platform keeps them, unless the environment says otherwise."""

import os
import pwd
import subprocess
import sys
from pathlib import Path

import pytest

from penstock.config.folders import data_file, state_file
from penstock.stores.opening import default_path


def test_the_environment_names_the_folder() -> None:
    environ = {"XDG_DATA_HOME": "/data", "XDG_STATE_HOME": "/state", "HOME": "/users/a"}
    assert data_file(environ, "x") == Path("/data/penstock/x")
    assert state_file(environ, "x") == Path("/state/penstock/x")


@pytest.mark.skipif(sys.platform in ("darwin", "win32"), reason="other systems have folders of their own")
def test_without_it_they_are_under_the_users_home() -> None:
    assert data_file({"HOME": "/users/a"}, "x") == Path("/users/a/.local/share/penstock/x")
    assert state_file({"HOME": "/users/a", "XDG_STATE_HOME": ""}, "x") == Path("/users/a/.local/state/penstock/x")


def test_a_test_has_folders_of_its_own() -> None:
    home = Path(pwd.getpwuid(os.getuid()).pw_dir)
    ask = "import os, penstock.stores.opening as o; print(o.default_path(os.environ))"
    in_child = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True).stdout.strip()
    for path in (default_path(os.environ), data_file(os.environ, "x"), state_file(os.environ, "x"), Path(in_child)):
        assert not path.is_relative_to(home)
    assert str(default_path(os.environ)) == in_child
