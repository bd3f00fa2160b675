"""A provider's address, made of what its vendor leaves open: a region, a project, a version."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from penstock.catalog import Vendor

__all__ = ["placed"]


def placed(vendor: Vendor, base_url: str, settings: Mapping[str, str]) -> str:
    """`base_url` with `settings` in it, as the vendor's wire wants them. Raises nothing: what isn't known stays."""
    finish = _WIRES.get(vendor.wire)
    url = base_url
    for name, value in settings.items():
        url = url.replace(f"{{{name}}}", value)
    return url if finish is None else finish(url, settings)


def _azure(base_url: str, settings: Mapping[str, str]) -> str:
    """A resource's address with the API's version; the form that ends in `/v1` has none."""
    parts = urlsplit(base_url)
    path = parts.path.rstrip("/")
    if path.endswith("/v1"):
        return base_url
    query = dict(parse_qsl(parts.query))
    query.setdefault("api-version", settings["api_version"])
    return urlunsplit((parts.scheme, parts.netloc, path.removesuffix("/openai"), urlencode(query), ""))


_WIRES: Final[Mapping[str, Callable[[str, Mapping[str, str]], str]]] = {"azure": _azure}
