"""Which proxy and which certificates: from the pool's settings, else from the environment, read once.

Variables are read in lower case first, then in upper case, as curl does: `http_proxy`, `https_proxy`, `all_proxy`,
`no_proxy`; `SSL_CERT_FILE`, `REQUESTS_CA_BUNDLE`, `CURL_CA_BUNDLE`, `SSL_CERT_DIR`. `HTTP_PROXY` in upper case is
ignored in a CGI process, where a client's `Proxy:` header sets it (httpoxy, 2016).
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from penstock.errors import ConfigError
from penstock.http import Pool

__all__ = ["ProxyRules", "proxy_rules", "trusted_pem"]

_MAX_CA_BYTES = 16 * 1024 * 1024
_SCHEMES = ("http", "https", "socks4", "socks4a", "socks5", "socks5h")
_CA_FILES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class ProxyRules:
    """One proxy per scheme, and who is reached without."""

    http: str | None = None
    https: str | None = None
    direct: tuple[str, ...] = ()
    """NO_PROXY's entries in lower case: `*`, a host, `.suffix`, an address, a network, each with an optional port."""

    def __bool__(self) -> bool:
        return bool(self.http or self.https)

    def proxy_for(self, url: str) -> str | None:
        """The proxy's URL; None for none. Raises ValueError when `url` is no URL."""
        parts = urlsplit(url)
        proxy = self.https if parts.scheme == "https" else self.http
        if proxy is None:
            return None
        host = (parts.hostname or "").rstrip(".")
        port = parts.port or _PORTS.get(parts.scheme, 0)
        return None if any(_covers(entry, host, port) for entry in self.direct) else proxy


def proxy_rules(pool: Pool, environ: Mapping[str, str] = os.environ) -> ProxyRules:
    """`pool.proxy` for everything ("" for none); else the environment's. Raises `ConfigError` for no proxy URL."""
    if pool.proxy is not None:
        proxy = _checked("proxy", pool.proxy)
        return ProxyRules(proxy, proxy)
    every = _checked("ALL_PROXY", _variable(environ, "all_proxy"))
    cgi = "REQUEST_METHOD" in environ
    http = environ.get("http_proxy", "") if cgi else _variable(environ, "http_proxy")
    return ProxyRules(
        http=_checked("HTTP_PROXY", http) or every,
        https=_checked("HTTPS_PROXY", _variable(environ, "https_proxy")) or every,
        direct=tuple(
            entry for part in _variable(environ, "no_proxy").lower().replace(",", " ").split() if (entry := part)
        ),
    )


def trusted_pem(pool: Pool, environ: Mapping[str, str] = os.environ) -> bytes | None:
    """The certificates to trust, as PEM, in place of the built-in ones; None to keep those.

    Raises `ConfigError` naming the setting when the file can't be read or holds no certificate.
    """
    if pool.ca_file is not None:
        return _pem_file("ca_file", Path(pool.ca_file))
    for name in _CA_FILES:
        if path := environ.get(name):
            return _pem_directory(name, Path(path)) if Path(path).is_dir() else _pem_file(name, Path(path))
    if path := environ.get("SSL_CERT_DIR"):
        return _pem_directory("SSL_CERT_DIR", *(Path(part) for part in path.split(os.pathsep) if part))
    return None


def _variable(environ: Mapping[str, str], name: str) -> str:
    return environ.get(name) or environ.get(name.upper()) or ""


def _checked(name: str, value: str) -> str | None:
    """`value` as a URL with a scheme; None when empty. The message leaves out what may be a password."""
    value = value.strip()
    if not value:
        return None
    url = value if "://" in value else f"http://{value}"
    try:
        parts = urlsplit(url)
        ok = parts.scheme in _SCHEMES and parts.hostname and (parts.port is None or parts.port > 0)
    except ValueError:
        ok = False
    if not ok:
        raise ConfigError(f"{name}: not a proxy; expected scheme://host:port with a scheme of {', '.join(_SCHEMES)}")
    return url


def _covers(entry: str, host: str, port: int) -> bool:
    if entry == "*":
        return True
    name, _, wanted = entry.rpartition(":")
    if name and wanted.isdigit() and (":" not in name or name.startswith("[")):
        if int(wanted) != port:
            return False
        entry = name
    entry = entry.strip("[]")
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        entry = entry.removeprefix("*").lstrip(".").rstrip(".")
        return bool(entry) and (host == entry or host.endswith("." + entry))
    try:
        return address in ipaddress.ip_network(entry, strict=False)
    except ValueError:
        return False


def _pem_file(name: str, path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            pem = file.read(_MAX_CA_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"{name}: can't read the certificates in {path}: {error.strerror}") from error
    if len(pem) > _MAX_CA_BYTES or b"-----BEGIN" not in pem:
        raise ConfigError(f"{name}: {path} holds no PEM certificates; expected a file of -----BEGIN CERTIFICATE-----")
    return pem


def _pem_directory(name: str, *directories: Path) -> bytes:
    found: list[bytes] = []
    left = _MAX_CA_BYTES
    for directory in directories:
        try:
            # OpenSSL's directories name every certificate twice, by hash and by name: each file counts once.
            files = sorted({entry.resolve() for entry in directory.iterdir() if entry.is_file()})
        except OSError as error:
            raise ConfigError(f"{name}: can't read the folder {directory}: {error.strerror}") from error
        for file in files:
            pem = file.read_bytes() if file.stat().st_size <= left else b""
            if b"-----BEGIN CERTIFICATE-----" in pem:
                found.append(pem)
                left -= len(pem)
    if not found:
        raise ConfigError(f"{name}: no PEM certificates in {', '.join(map(str, directories))}")
    return b"\n".join(found)
