from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest
import wreq

from penstock.errors import ConfigError
from penstock.http import Pool
from penstock.transport import open_transport
from penstock.transport.wreq_adapter import client_options


@pytest.mark.parametrize("name", ["wreq", "aiohttp"])
def test_transport_opens_outside_a_loop(name: str) -> None:
    assert open_transport(name, Pool()) is not open_transport(name)


def test_unknown_transport_is_named_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"'curl'.*wreq, aiohttp"):
        open_transport("curl")


@pytest.mark.parametrize("name", ["wreq", "aiohttp"])
def test_http2_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="http2"):
        open_transport(name, Pool(http2=True))


def test_missing_package_is_named_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "aiohttp", None)
    for module in [name for name in sys.modules if name.startswith("penstock.transport.aiohttp")]:
        monkeypatch.delitem(sys.modules, module)
    with pytest.raises(ConfigError, match=r"pip install 'penstock\[aiohttp\]'"):
        open_transport("aiohttp")


def test_aiohttp_knows_no_socks_proxy() -> None:
    with pytest.raises(ConfigError, match="SOCKS"):
        open_transport("aiohttp", Pool(proxy="socks5://127.0.0.1:1"))


def test_wreq_knows_every_option_it_is_given() -> None:
    """wreq takes unknown options in silence, so a release that renames one would drop a bound unseen."""
    tree = ast.parse(Path(wreq.__file__).with_name("wreq.py").read_text(encoding="utf-8"))
    config = next(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "ClientConfig")
    known = {node.target.id for node in config.body if isinstance(node, ast.AnnAssign)}  # type: ignore[union-attr]
    assert set(client_options(Pool(), True, 5.0)) <= known
