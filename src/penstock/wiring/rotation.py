"""Keys that change under a running engine: read again from where the configuration says they are."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable

import msgspec

from penstock.config import Config, find_keys
from penstock.credentials import KeyPool, Secret
from penstock.errors import ConfigError
from penstock.wiring.providers import ProviderPlan

__all__ = ["Rotation", "rotate"]

_log = logging.getLogger("penstock.credentials")


class Rotation(msgspec.Struct, frozen=True, kw_only=True):
    """What came of reading the keys again."""

    replaced: tuple[str, ...] = ()
    """The providers whose keys are others now."""
    kept: tuple[str, ...] = ()
    """Why keys could not be read, one reason each; those that were there stay in use."""

    def __str__(self) -> str:
        done = f"keys of {', '.join(self.replaced)} replaced" if self.replaced else "no key has changed"
        return "; ".join((done, *(f"old keys stay in use: {reason}" for reason in self.kept)))


def rotate(
    config: Config, read: Callable[[], Config], plans: dict[str, ProviderPlan], pools: dict[str, KeyPool]
) -> tuple[Config, Rotation]:
    """`config` with the keys of what `read` returns, put into `plans` and `pools`; nothing else of it is taken.

    Never raises: a configuration that can't be read changes nothing, a provider's broken reference nothing there.
    """
    try:
        config = _with_keys_of(config, read())
    except ConfigError as error:
        _log.error("the keys were not read again, the old ones stay in use: %s", error)
        return config, Rotation(kept=(str(error),))
    replaced, kept = [], []
    for name, plan in list(plans.items()):
        try:
            found = find_keys(config, name, variables=plan.vendor.key_env)
            fresh = dataclasses.replace(plan, keys=found)
            fresh.check()
            if plan.keys and not found:
                raise ConfigError(f"{name}: no key is configured any more")
        except ConfigError as error:
            _log.error("the keys of %s were not read again, the old ones stay in use: %s", name, error)
            kept.append(str(error))
            continue
        plans[name] = fresh
        pool = pools.get(name)
        changed = plan.keys.keys != found.keys
        if pool is not None:
            changed = pool.replace([Secret(value) for value in found.keys], files=found.files)
        if changed:
            _log.info("%s: other keys are in use, %d of them", name, len(found.keys))
            replaced.append(name)
    return config, Rotation(replaced=tuple(replaced), kept=tuple(kept))


def _with_keys_of(config: Config, other: Config) -> Config:
    names = {**config.providers, **other.providers}
    providers = {name: dataclasses.replace(config.provider(name), keys=other.provider(name).keys) for name in names}
    return dataclasses.replace(config, providers=providers, dotenv=other.dotenv)
