"""One provider as it will be used: what the catalog knows, what the configuration says, which keys were found."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import msgspec

from penstock.catalog import Setting, Vendor, providers
from penstock.config import Config, FoundKeys, ProviderConfig, find_keys, first_set, key_variable
from penstock.errors import ConfigError
from penstock.wiring.places import placed

__all__ = ["CATALOG", "ProviderPlan", "known_providers", "plan_provider"]

CATALOG = "the catalog"
"""Where an address comes from that nobody set."""


@dataclass(frozen=True, slots=True)
class ProviderPlan:
    """Everything that is decided about a provider before anything is opened."""

    name: str
    vendor: Vendor
    config: ProviderConfig
    base_url: str | None
    """None: the simulator in the process itself."""
    base_url_from: str
    keys: FoundKeys = field(repr=False)
    headers: dict[str, str] = field(repr=False)
    settings: Mapping[str, str] = field(default_factory=dict)
    """What was found for `vendor.settings`."""
    missing: str = ""
    """What must be set before anything can be asked; "" when nothing is missing."""

    @property
    def is_at_vendor(self) -> bool:
        """Whether `base_url` is the vendor's own address, so that a credential of the surroundings may go there."""
        host = urlsplit(self.base_url or "").hostname or ""
        is_own = self.base_url == self.vendor.base_url or self.base_url_from == CATALOG
        return is_own or host.endswith(self.vendor.own_hosts)

    @property
    def needs_key(self) -> bool:
        """Whether nothing can be asked without a key: only the vendor's own address is sure to want one."""
        return self.vendor.needs_key and self.is_at_vendor and self.vendor.ambient is None

    def check(self) -> None:
        """Raises `ConfigError` that names what to set when there is a key or an address missing."""
        if self.missing:
            raise ConfigError(self.missing)
        if self.base_url is None and self.name != "sim":
            where = f"{self.name}: no address; set base_url under [providers.{self.name}] in penstock.toml"
            named = " or ".join(self.vendor.base_url_env)
            raise ConfigError(f"{where}, or {named} in the environment" if named else where)
        if self.needs_key and not self.keys:
            raise ConfigError(f"{self.vendor.title} needs a key and none was found: set {self.keys.looked_at}")


def known_providers(config: Config) -> list[str]:
    """The catalog's providers that can be used as they are, and the configured ones, in the order to list them."""
    names = [name for name in providers() if name != "custom"]
    return [*names, *(name for name in config.providers if name not in names)]


def plan_provider(config: Config, name: str, *, base_url: str | None = None) -> ProviderPlan:
    """What is known about the provider. `base_url` overrides every other address.

    Raises `ConfigError` for a key reference that leads nowhere.
    """
    own = config.provider(name)
    vendor = _vendor(config, name)
    if own.prefill is not None:
        prefill = None if own.prefill == "off" else own.prefill
        vendor = msgspec.structs.replace(vendor, prefill=prefill, prefill_models="")
    settings = {setting.name: _setting(config, own, setting) for setting in vendor.settings}
    found = {key: value for key, value in settings.items() if value is not None}
    address, origin = _address(config, own, vendor, base_url)
    keys = find_keys(config, name, variables=vendor.key_env)
    missing = ""
    if address is not None:
        missing = _what_is_missing(name, vendor, settings, has_key=bool(keys))
    return ProviderPlan(
        name=name,
        vendor=vendor,
        config=own,
        base_url=address if missing or address is None else placed(vendor, address, found),
        base_url_from=origin,
        keys=keys,
        headers=_headers(own, vendor),
        settings=found,
        missing=missing,
    )


def _headers(own: ProviderConfig, vendor: Vendor) -> dict[str, str]:
    headers = dict(own.headers)
    if vendor.wire in ("openai", "responses"):
        for name, value in (("OpenAI-Organization", own.organization), ("OpenAI-Project", own.project)):
            if value is not None:
                headers[name] = value
    return headers


def _setting(config: Config, own: ProviderConfig, setting: Setting) -> str | None:
    said: str | None = getattr(own, setting.name)
    if said is not None:
        return said
    hit = first_set(setting.env, config)
    told = _TOLD_ELSEWHERE.get(setting.name)
    return hit[0] if hit else (told and told(config, own)) or setting.default


def _project(config: Config, own: ProviderConfig) -> str | None:
    from penstock.credentials.google import google_project

    path = own.credentials or config.environ.get("GOOGLE_APPLICATION_CREDENTIALS")
    return google_project(path) if path else None


def _region(config: Config, own: ProviderConfig) -> str | None:
    from penstock.credentials.aws_files import aws_region

    return aws_region(config.environ, profile=own.profile)


_TOLD_ELSEWHERE: Mapping[str, Callable[[Config, ProviderConfig], str | None]] = {
    "project": _project,
    "region": _region,
}
"""Settings that other tools' own files tell; what reads them is imported when it does."""


def _what_is_missing(name: str, vendor: Vendor, settings: Mapping[str, str | None], *, has_key: bool) -> str:
    for setting in vendor.settings:
        if settings[setting.name] is None and not (setting.unless_key and has_key):
            variables = f", or {' or '.join(setting.env)} in the environment" if setting.env else ""
            return f"{name}: no {setting.name}; set {setting.name} under [providers.{name}] in penstock.toml{variables}"
    return ""


def _vendor(config: Config, name: str) -> Vendor:
    own, known = config.provider(name), providers().get(name)
    if known is not None and (own.wire is None or own.wire in (known.wire, *known.other_wires)):
        return known if own.wire is None else msgspec.structs.replace(known, wire=own.wire)
    wire = own.wire or "openai"
    if known is not None:
        # Another wire is spoken at another address than the catalog's.
        return msgspec.structs.replace(known, wire=wire, base_url=None, base_url_env=(), settings=(), ambient=None)
    speaks = next((one for one in providers().values() if wire in (one.wire, *one.other_wires)), None)
    if wire in ("openai", "responses") or speaks is None:
        custom = providers()["custom"]
        return msgspec.structs.replace(custom, name=name, title=name, key_env=(key_variable(name),), wire=wire)
    # The wire's own vendor, under another name and with a key of that name.
    return msgspec.structs.replace(
        speaks, name=name, title=name, wire=wire, key_env=(key_variable(name),), base_url_env=()
    )


def _address(config: Config, own: ProviderConfig, vendor: Vendor, override: str | None) -> tuple[str | None, str]:
    if override is not None:
        return override.rstrip("/"), "the command"
    if own.base_url is not None:
        return own.base_url, f"{config.source}"
    for variable in vendor.base_url_env:
        if value := config.environ.get(variable, "").strip():
            if not value.startswith(("http://", "https://")):
                raise ConfigError(f'{variable}: expected an address such as "http://127.0.0.1:8000/v1", got "{value}"')
            return value.rstrip("/"), f"env:{variable}"
    return vendor.base_url, CATALOG
