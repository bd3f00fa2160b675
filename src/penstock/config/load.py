"""Finds a configuration and reads it: one table of readers for each section, and a word for what isn't there yet."""

from __future__ import annotations

import os
import re
import stat
import sys
import tomllib
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NoReturn

from penstock.config.caching import read_cache
from penstock.config.costs import read_budget, read_prices
from penstock.config.keys import read_dotenv, read_key_ref, read_key_refs
from penstock.config.routes import read_route
from penstock.config.schema import Config, LimitsConfig, ProviderConfig
from penstock.config.values import (
    Reader,
    Where,
    read_bool,
    read_duration,
    read_one_of,
    read_positive_int,
    read_size,
    read_str,
    read_str_map,
    read_table,
)
from penstock.errors import ConfigError
from penstock.http import Pool

__all__ = ["ConfigWarning", "find_config_file", "load_config", "parse_config", "read_limits"]

FILE_NAME = "penstock.toml"
WIRES = ("anthropic", "azure", "bedrock", "cohere", "gemini", "ollama", "openai", "responses", "vertex")
_MOST_BYTES = 4 * 1024 * 1024


class ConfigWarning(UserWarning):
    """A setting works but is better written otherwise."""


def load_config(
    source: str | Path | Mapping[str, Any] | Config | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    directory: Path | None = None,
    for_command: bool = False,
) -> Config:
    """The configuration of a path or a dict; None searches as the command does and may find none.

    `for_command` also looks keys up in `.env` of `directory` (the working directory). Raises `ConfigError`.
    """
    if isinstance(source, Config):
        return source
    variables = os.environ if environ is None else environ
    here = directory or Path()
    keys = read_dotenv(here / ".env") if for_command else {}
    if isinstance(source, Mapping):
        return parse_config(source, source="config", environ=variables, dotenv=keys)
    if source is not None and not isinstance(source, str | os.PathLike):
        raise ConfigError(f"config: expected a path, a table or what load_config read, got {source!r:.80}")
    path = Path(source) if source is not None else find_config_file(variables, directory=here)
    if path is None:
        return Config(environ=variables, dotenv=keys)
    config = parse_config(_read_file(path), source=str(path), environ=variables, dotenv=keys)
    _warn_of_open_file(config, path)
    return config


def find_config_file(environ: Mapping[str, str], *, directory: Path | None = None) -> Path | None:
    """PENSTOCK_CONFIG, else penstock.toml in the working directory, else in the user's config folder, else None."""
    if named := environ.get("PENSTOCK_CONFIG"):
        return Path(named)
    places = [(directory or Path()) / FILE_NAME, *(folder / FILE_NAME for folder in _user_folders(environ))]
    return next((place for place in places if place.is_file()), None)


def _user_folders(environ: Mapping[str, str]) -> list[Path]:
    if folder := environ.get("XDG_CONFIG_HOME"):
        return [Path(folder) / "penstock"]
    home = environ.get("HOME") or environ.get("USERPROFILE")
    if not home:
        return []
    folders = [Path(home) / ".config" / "penstock"]
    if sys.platform == "darwin":
        folders.append(Path(home) / "Library" / "Application Support" / "penstock")
    if sys.platform == "win32" and (roaming := environ.get("APPDATA")):
        folders.append(Path(roaming) / "penstock")
    return folders


def _read_file(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            text = file.read(_MOST_BYTES + 1)
        if len(text) > _MOST_BYTES:
            raise ConfigError(f"{path}: a configuration is at most {_MOST_BYTES // 1024 // 1024} MiB")
        return tomllib.loads(text.decode("utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read the configuration {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 at byte {error.start}") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from None


def parse_config(
    raw: Mapping[str, Any],
    *,
    source: str = "config",
    environ: Mapping[str, str] | None = None,
    dotenv: Mapping[str, str] | None = None,
) -> Config:
    """The configuration in a parsed TOML document or a dict of the same form. Raises `ConfigError`."""
    read = read_table(raw, _TOP, Where(source))
    return Config(
        source=source,
        default_provider=read.get("default_provider"),
        providers=read.get("providers", {}),
        routes=read.get("routes", {}),
        cache=read.get("cache"),
        **({"budget": read["budget"]} if "budget" in read else {}),
        environ=os.environ if environ is None else environ,
        dotenv=dotenv or {},
    )


def _not_yet(what: str) -> Reader:
    def read(_value: object, where: Where) -> NoReturn:
        raise where.error(f"{what} not supported yet by this version of penstock; take it out")

    return read


_OWN_WIRE = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")
"""A codec of the user's own: `package.module:Class`."""


def _read_wire(value: object, where: Where) -> str:
    if isinstance(value, str) and _OWN_WIRE.fullmatch(value):
        return value
    return str(read_one_of(WIRES)(value, where))


def _read_base_url(value: object, where: Where) -> str:
    url = read_str(value, where)
    if not url.startswith(("http://", "https://")) or not url.split("://", 1)[1].strip("/"):
        raise where.expected('an address such as "http://127.0.0.1:8000/v1"', url)
    return url.rstrip("/")


def _read_http2(value: object, where: Where) -> bool:
    if read_bool(value, where):
        raise where.error("HTTP/2 is not supported: no adapter's HTTP/2 passes the transport exam; take it out")
    return False


def _read_header_map(value: object, where: Where) -> dict[str, str]:
    headers = read_str_map(value, where)
    for name, text in headers.items():
        if not name or not name.isascii() or any(c in name for c in " :\r\n") or any(c in text for c in "\r\n\0"):
            raise where.error(f'"{name}" is no header field: a name without spaces, a value of one line')
    return headers


_LIMITS: dict[str, Reader] = {
    **dict.fromkeys(("rpm", "tpm", "input_tpm", "output_tpm", "concurrency"), read_positive_int),
    **dict.fromkeys(("rpd", "tpd"), _not_yet("a limit per day is")),
}
_POOL: dict[str, Reader] = {
    "max_connections": read_positive_int,
    "max_body": read_size,
    "max_header": read_size,
    "idle": read_duration,
    "proxy": read_str,
    "ca_file": read_str,
    "http2": _read_http2,
}
_POOL_FIELDS = {"max_body": "max_body_bytes", "max_header": "max_header_bytes", "idle": "idle_s"}


def read_limits(value: object, where: Where) -> LimitsConfig:
    return LimitsConfig(**read_table(value, _LIMITS, where))


def _read_pool(value: object, where: Where) -> Pool:
    return Pool(**{_POOL_FIELDS.get(key, key): setting for key, setting in read_table(value, _POOL, where).items()})


_PROVIDER: dict[str, Reader] = {
    "api_key": read_key_ref,
    "api_keys": read_key_refs,
    "wire": _read_wire,
    "base_url": _read_base_url,
    "limits": read_limits,
    "headers": _read_header_map,
    "organization": read_str,
    **dict.fromkeys(("project", "location", "region", "api_version", "profile", "credentials"), read_str),
    "pool": _read_pool,
    "transport": read_one_of(("aiohttp", "wreq")),
    "prices": read_prices,
    "prefill": read_one_of(("off", "plain", "prefix", "continue_final_message")),
}


def _named(read_one: Callable[[str, object, Where], Any]) -> Reader:
    """A reader of a table of named tables."""

    def read(value: object, where: Where) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            raise where.expected("a table of named tables", value)
        return {str(name): read_one(str(name), table, where.at(str(name))) for name, table in value.items()}

    return read


def _read_provider(name: str, table: object, where: Where) -> ProviderConfig:
    if not name or "/" in name:
        raise where.error("a provider's name has no slash")
    read = read_table(table, _PROVIDER, where)
    if "api_key" in read and "api_keys" in read:
        raise where.error("api_key and api_keys exclude each other; put every key into api_keys")
    keys = read.pop("api_keys", ()) or read.pop("api_key", ())
    read.pop("api_key", None)
    return ProviderConfig(name, keys=keys, **read)


_TOP: dict[str, Reader] = {
    "default_provider": read_str,
    "providers": _named(_read_provider),
    "routes": _named(read_route),
    "cache": read_cache,
    "budget": read_budget,
    "gateway": _not_yet("the gateway is"),
}


def _warn_of_open_file(config: Config, path: Path) -> None:
    literal = [
        name for name, provider in config.providers.items() if any(key.kind == "literal" for key in provider.keys)
    ]
    if not literal or os.name != "posix":
        return
    if path.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH):
        warnings.warn(
            f"{path}: others can read this file, and it holds a key ([providers.{literal[0]}]); "
            f'write api_key = "env:NAME" or run chmod 600 {path}',
            ConfigWarning,
            stacklevel=3,
        )
