"""What moves bytes: the `Transport` protocol's real clients, chosen by name."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

from penstock.errors import ConfigError
from penstock.http import Pool, Transport

__all__ = ["open_transport"]

_ADAPTERS = {
    "wreq": ("penstock.transport.wreq_adapter", "WreqTransport", "pip install penstock"),
    "aiohttp": ("penstock.transport.aiohttp_adapter", "AiohttpTransport", "pip install 'penstock[aiohttp]'"),
}


def open_transport(name: str = "wreq", pool: Pool | None = None) -> Transport:
    """A transport by its name: `wreq`, the default, or `aiohttp`. It opens no connection before the first request.

    Raises `ConfigError` for an unknown name, a missing package, or a pool that the transport can't serve.
    """
    if name not in _ADAPTERS:
        raise ConfigError(f"transport = {name!r}: unknown; expected one of {', '.join(_ADAPTERS)}")
    module, adapter, command = _ADAPTERS[name]
    try:
        made: Callable[[Pool], Transport] = getattr(import_module(module), adapter)
    except ImportError as error:
        raise ConfigError(f"transport = {name!r}: its package is missing ({error}); {command}") from error
    return made(pool or Pool())
