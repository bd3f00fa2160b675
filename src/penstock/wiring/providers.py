"""One provider as it will be used: what the catalog knows, what the configuration says, which keys were found."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from penstock.catalog import Vendor, providers
from penstock.config import Config, FoundKeys, ProviderConfig, find_keys, key_variable
from penstock.errors import ConfigError

__all__ = ["ProviderPlan", "known_providers", "plan_provider"]


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

    @property
    def needs_key(self) -> bool:
        """Whether nothing can be asked without a key: only the vendor's own address is sure to want one."""
        return self.vendor.needs_key and self.base_url == self.vendor.base_url

    def check(self) -> None:
        """Raises `ConfigError` that names what to set when there is a key or an address missing."""
        if self.base_url is None and self.name != "sim":
            raise ConfigError(f"{self.name}: no address; set base_url under [providers.{self.name}] in penstock.toml")
        if self.needs_key and not self.keys:
            raise ConfigError(f"{self.vendor.title} needs a key and none was found: set {self.keys.looked_at}")


def known_providers(config: Config) -> list[str]:
    """The catalog's providers that can be used as they are, and the configured ones, in the order to list them."""
    names = [name for name, vendor in providers().items() if vendor.base_url is not None or name == "sim"]
    return [*names, *(name for name in config.providers if name not in names)]


def plan_provider(config: Config, name: str, *, base_url: str | None = None) -> ProviderPlan:
    """What is known about the provider. `base_url` overrides every other address.

    Raises `ConfigError` for a key reference that leads nowhere.
    """
    own = config.provider(name)
    vendor = _vendor(name)
    if own.prefill is not None:
        prefill = None if own.prefill == "off" else own.prefill
        vendor = msgspec.structs.replace(vendor, prefill=prefill, prefill_models="")
    address, origin = _address(config, own, vendor, base_url)
    headers = dict(own.headers)
    for field_name, value in (("OpenAI-Organization", own.organization), ("OpenAI-Project", own.project)):
        if value is not None:
            headers[field_name] = value
    return ProviderPlan(
        name=name,
        vendor=vendor,
        config=own,
        base_url=address,
        base_url_from=origin,
        keys=find_keys(config, name, variables=vendor.key_env),
        headers=headers,
    )


def _vendor(name: str) -> Vendor:
    known = providers().get(name)
    if known is not None:
        return known
    custom = providers()["custom"]
    return msgspec.structs.replace(custom, name=name, title=name, key_env=(key_variable(name),))


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
    return vendor.base_url, "the catalog"
