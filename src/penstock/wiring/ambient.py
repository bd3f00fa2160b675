"""Credentials of the surroundings: what signs where no key was given."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from penstock.credentials.signing import Credential
from penstock.errors import ConfigError
from penstock.http import Pool, Transport
from penstock.observers.logging import never_show
from penstock.wiring.providers import ProviderPlan

__all__ = ["ambient_credential", "check_ambient"]

OpenTransport = Callable[[Pool], Transport]
_FEW: Final = 4


def ambient_credential(plan: ProviderPlan, environ: Mapping[str, str], open_: OpenTransport) -> Credential | None:
    """What signs a provider's requests without a key; None where nobody may.

    It goes to the vendor's own hosts, and elsewhere only when the configuration names it. `open_` opens connections to
    where tokens come from.
    """
    vendor, own = plan.vendor, plan.config
    if plan.keys or vendor.ambient is None or not (plan.is_at_vendor or own.credentials or own.profile):
        return None
    return _AMBIENT[vendor.ambient](plan, environ, open_)


def check_ambient(plan: ProviderPlan) -> None:
    """Raises `ConfigError` when a provider's credentials can't be used as things are installed."""
    if plan.vendor.ambient != "google" or plan.keys or not plan.is_at_vendor:
        return
    from penstock.credentials.google import INSTALL, has_google_auth

    if not has_google_auth():
        raise ConfigError(f"{plan.name}: no key was found ({plan.keys.looked_at}). {INSTALL}")


def _google(plan: ProviderPlan, environ: Mapping[str, str], open_: OpenTransport) -> Credential:
    del open_
    from penstock.credentials.google import GoogleTokens
    from penstock.credentials.tokens import Tokens

    path = plan.config.credentials or environ.get("GOOGLE_APPLICATION_CREDENTIALS") or None
    return Tokens(GoogleTokens(path, announce=never_show))


def _entra(plan: ProviderPlan, environ: Mapping[str, str], open_: OpenTransport) -> Credential:
    del plan
    from penstock.credentials.entra import EntraTokens
    from penstock.credentials.tokens import Tokens

    # What proves a machine's identity is asked on the machine's own network; a proxy would ask on its own.
    pool = Pool(max_connections=_FEW, proxy=None if environ.get("AZURE_TENANT_ID") else "")
    return Tokens(EntraTokens(environ, open_(pool), announce=never_show))


def _aws(plan: ProviderPlan, environ: Mapping[str, str], open_: OpenTransport) -> Credential:
    from penstock.credentials.aws import AwsFinder, RefreshedCredentials
    from penstock.credentials.sigv4 import SigV4

    finder = AwsFinder(environ, open_(Pool(max_connections=_FEW, proxy="")), profile=plan.config.profile)
    return SigV4(RefreshedCredentials(finder), region=plan.settings["region"])


_AMBIENT: Final[Mapping[str, Callable[[ProviderPlan, Mapping[str, str], OpenTransport], Credential]]] = {
    "aws": _aws,
    "entra": _entra,
    "google": _google,
}
