"""From a store's name in a setting to the store."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from penstock.errors import ConfigError
from penstock.stores.store import Store

__all__ = ["check_url", "default_path", "open_store", "store_path"]

_REDIS: Final = ("redis", "rediss", "unix", "valkey", "valkeys")
FORMS: Final = '"off", "memory", "sqlite", "sqlite:PATH" or "redis://HOST:PORT/DB"'


def check_url(url: str) -> None:
    """Raises `ConfigError` for what names no store, and for one whose package isn't installed. Opens nothing."""
    scheme, colon, rest = url.partition(":")
    if url in ("off", "memory", "sqlite") or (scheme == "sqlite" and rest.strip("/")):
        path = store_path(url, os.environ) if rest else None
        if path is not None and path.is_dir():
            raise ConfigError(
                f'"{path}" is a folder; expected a file, such as "sqlite:{rest.rstrip("/")}/answers.sqlite"'
            )
        return
    if scheme not in _REDIS or not colon:
        raise ConfigError(f'expected {FORMS}, got "{_shown(url)}"')
    try:
        parts = urlsplit(url)
        is_there = bool(parts.path if scheme == "unix" else parts.hostname)
        _ = parts.port
    except ValueError:
        is_there = False
    if not is_there or not rest.startswith("//"):
        raise ConfigError(f'expected an address such as "redis://127.0.0.1:6379/0", got "{_shown(url)}"')
    if find_spec("redis") is None:
        raise ConfigError(f"{scheme}:// needs the redis package: pip install 'penstock[redis]'")


def _shown(url: str) -> str:
    """Without what may be a password."""
    head, at, tail = url.rpartition("@")
    return f"{head.partition('://')[0]}://...@{tail}" if at else url


def default_path(environ: Mapping[str, str]) -> Path:
    """The file of `sqlite` where no other is named: in the user's folder for caches."""
    if folder := environ.get("XDG_CACHE_HOME"):
        return Path(folder) / "penstock" / "answers.sqlite"
    home = Path(environ.get("HOME") or environ.get("USERPROFILE") or Path.home())
    if sys.platform == "darwin":
        return home / "Library" / "Caches" / "penstock" / "answers.sqlite"
    return home / ".cache" / "penstock" / "answers.sqlite"


def store_path(url: str, environ: Mapping[str, str]) -> Path | None:
    """The file of a SQLite store, None for another kind."""
    scheme, _, rest = url.partition(":")
    if scheme != "sqlite":
        return None
    if not rest:
        return default_path(environ)
    if rest.startswith("///"):
        rest = rest[2:]
    return Path(rest).expanduser()


def open_store(
    url: str,
    *,
    ttl_s: float | None = None,
    max_bytes: int | None = None,
    now: Callable[[], float] = time.time,
    environ: Mapping[str, str] | None = None,
) -> Store:
    """The store that `url` names. `now` is the time of day in seconds.

    Raises `ConfigError` as `check_url` does, `StoreError` for a file that can't be used.
    """
    check_url(url)
    if url == "memory":
        from penstock.stores.memory import MemoryStore

        return MemoryStore(ttl_s=ttl_s, max_bytes=max_bytes, now=now)
    path = store_path(url, os.environ if environ is None else environ)
    if path is not None:
        from penstock.stores.sqlite import SqliteStore

        return SqliteStore(path, ttl_s=ttl_s, max_bytes=max_bytes, now=now)
    from penstock.stores.redis_server import RedisStore

    return RedisStore(url, ttl_s=ttl_s)
