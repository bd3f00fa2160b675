"""Configurations for the clients' tests, and a simulator over sockets."""

from __future__ import annotations

import pytest
from tests.client.given import KEY, running_simulator


@pytest.fixture(scope="session")
def sim_url():
    with running_simulator() as url:
        yield url


@pytest.fixture(params=["in the process", "over sockets"])
def config(request):
    """A configuration whose provider `sim` is reached one way or the other."""
    if request.param == "in the process":
        return {}
    url = request.getfixturevalue("sim_url")
    return {"providers": {"sim": {"base_url": f"{url}/sim/v1", "api_key": KEY}}}


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """No configuration and no key of whoever runs the tests is found."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("XDG_CONFIG_HOME", "PENSTOCK_CONFIG", "OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
