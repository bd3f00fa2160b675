"""A provider's address, made of what its vendor leaves open: a region, a project, a version."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

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


def _vertex(base_url: str, settings: Mapping[str, str]) -> str:
    """What stands before `/publishers/...`: a project in a location, or nothing of both where only a key is given."""
    parts = urlsplit(base_url)
    if "/projects/" in parts.path or _VERSION.search(parts.path):
        return base_url
    project, location = settings.get("project"), settings["location"]
    if project is None:
        return f"{base_url}/v1"
    path = f"/v1/projects/{quote(project, safe='')}/locations/{quote(location, safe='')}"
    if parts.netloc != _AIPLATFORM:
        return base_url + path
    host = _AIPLATFORM if location == "global" else f"{location}-{_AIPLATFORM}"
    if location in ("us", "eu"):
        host = f"aiplatform.{location}.rep.googleapis.com"
    return f"https://{host}{path}"


_AIPLATFORM: Final = "aiplatform.googleapis.com"
_VERSION: Final = re.compile(r"/v\d+(?:beta\d*)?$")
_WIRES: Final[Mapping[str, Callable[[str, Mapping[str, str]], str]]] = {"azure": _azure, "vertex": _vertex}
