"""Importing penstock costs nothing that isn't used."""

import subprocess
import sys

import pytest

import penstock


def brought(statement):
    new = "{name.partition('.')[0] for name in set(sys.modules) - before}"
    code = f"import sys; before = set(sys.modules); {statement}; print(*{new})"
    return set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())


def test_import_penstock_brings_only_itself():
    heavy = {"asyncio", "click", "logging", "msgspec", "rich", "ssl", "sqlite3", "uvloop", "wreq"}
    assert brought("import penstock; penstock.__version__") & heavy == set()


def test_a_client_brings_no_transport_and_no_command_before_it_asks():
    statement = "import penstock; penstock.Client('sim/fast')"
    assert brought(statement) & {"aiohttp", "click", "jinja2", "rich", "sqlite3", "wreq"} == set()


@pytest.mark.parametrize("name", penstock.__all__)
def test_every_public_name_is_there(name):
    assert getattr(penstock, name) is not None
    assert name in dir(penstock)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'Cleint'"):
        _ = penstock.Cleint
