"""The `[cache]` table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from penstock.config.semantic import SemanticConfig, read_semantic
from penstock.config.values import Reader, Where, read_duration, read_one_of, read_size, read_str, read_strs, read_table
from penstock.errors import ConfigError
from penstock.stores import check_url

__all__ = ["CacheConfig", "read_cache", "read_cache_mode"]

_DAY_S = 86_400.0
_GB = 1000**3
_MODES = ("exact", "off", "on", "read", "semantic", "write")


@dataclass(frozen=True, slots=True)
class CacheConfig:
    """Where answers are kept, for how long, and whose they are."""

    store: str = "sqlite"
    ttl_s: float | None = 30 * _DAY_S
    """None: for ever."""
    max_bytes: int | None = None
    """None: the store's own bound."""
    namespace: str = "default"
    keep: tuple[Literal["truncated", "filtered"], ...] = ()
    """Endings that are kept although they aren't a success."""
    semantic: SemanticConfig | None = None
    """None: only equal questions share an answer."""

    def __repr__(self) -> str:
        # An address may hold a password.
        kind = self.store.partition(":")[0]
        return f"CacheConfig(store={kind!r}, ttl_s={self.ttl_s!r}, namespace={self.namespace!r})"


def _read_store(value: object, where: Where) -> str:
    url = read_str(value, where)
    try:
        check_url(url)
    except ConfigError as error:
        raise where.error(str(error)) from None
    return url


def _read_ttl(value: object, where: Where) -> float | None:
    return None if value == "forever" else read_duration(value, where)


def _read_keep(value: object, where: Where) -> tuple[str, ...]:
    if value == []:
        return ()
    read = read_one_of(("filtered", "truncated"))
    return tuple(read(word, where) for word in read_strs(value, where))


_CACHE: dict[str, Reader] = {
    "store": _read_store,
    "ttl": _read_ttl,
    "max_size": read_size,
    "namespace": read_str,
    "keep": _read_keep,
    "semantic": read_semantic,
}
_FIELDS = {"ttl": "ttl_s", "max_size": "max_bytes"}


def read_cache(value: object, where: Where) -> CacheConfig:
    """The table. Raises `ConfigError`."""
    read: dict[str, Any] = {_FIELDS.get(key, key): item for key, item in read_table(value, _CACHE, where).items()}
    config = CacheConfig(**read)
    if config.store.partition(":")[0] not in ("off", "memory", "sqlite") and config.max_bytes is not None:
        raise where.at("max_size").error("a server bounds itself: set its maxmemory and maxmemory-policy")
    return config


def read_cache_mode(value: object, where: Where, *, or_store: bool = False) -> Any:
    """ "off", "read", "write", "on", "exact" or "semantic"; true is "on" and false "off".

    `or_store`: a store could have been named as well, and is among what is expected.
    """
    if isinstance(value, bool):
        return "on" if value else "off"
    if or_store and value not in _MODES:
        modes = ", ".join(f'"{mode}"' for mode in _MODES)
        stores = '"memory", "sqlite", "sqlite:PATH", "redis://HOST:PORT/DB"'
        raise where.error(f'expected one of {modes}, or a store ({stores}), got "{value!s:.80}"')
    return read_one_of(_MODES)(value, where)
