"""What docs/cache.md shows works as it stands."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from penstock.config import CacheConfig, parse_config

PAGE = (Path(__file__).parents[2] / "docs" / "cache.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("code", re.findall(r"```python\n(.*?)```", PAGE, re.S))
def test_the_code_runs(
    code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("PENSTOCK_CONFIG", raising=False)
    exec(compile(code, "docs/cache.md", "exec"), {"__name__": "docs"})
    shown = re.search(r"# (False True 0\.0)", code)
    assert shown is None or shown.group(1) in capsys.readouterr().out


def test_the_table_shows_the_defaults() -> None:
    (table,) = re.findall(r"```toml\n(.*?)```", PAGE, re.S)
    config = parse_config(tomllib.loads(table)).cache
    assert config == CacheConfig(max_bytes=10 * 1000**3)
