"""`penstock providers`: known providers, where they are, and which keys are found. Never a key."""

from __future__ import annotations

from typing import Any

import click

__all__ = ["command"]


@click.command("providers")
@click.option("--config", metavar="FILE", help="Default: penstock.toml")
@click.option("--json", "as_json", is_flag=True, help="The list as JSON on stdout.")
def command(config: str | None, as_json: bool) -> None:
    """Known providers and which keys are found."""
    import msgspec

    from penstock.config import load_config
    from penstock.wiring import known_providers

    loaded = load_config(config, for_command=True)
    rows = [_row(loaded, name) for name in known_providers(loaded)]
    if as_json:
        click.echo(msgspec.json.encode(rows))
        return
    width = max(len(row["provider"]) for row in rows)
    for row in rows:
        mark = "+" if row["usable"] else "-"
        click.echo(f"{mark} {row['provider']:<{width}}  {row['key']}  ({row['base_url']})")
    click.echo(f"\nconfiguration: {loaded.source or 'none'}; + can be used now", err=True)


def _row(config: Any, name: str) -> dict[str, Any]:
    from penstock.errors import ConfigError
    from penstock.wiring import plan_provider
    from penstock.wiring.ambient import check_ambient

    try:
        plan = plan_provider(config, name)
        plan.check()
        check_ambient(plan)
    except ConfigError as error:
        return {
            "provider": name,
            "usable": False,
            "key": _missing(config, name, error),
            "base_url": _base(config, name),
        }
    key = f"key from {', '.join(plan.keys.origins)}" if plan.keys else _without(plan)
    return {"provider": name, "usable": True, "key": key, "base_url": _told(plan)}


def _told(plan: Any) -> str:
    from penstock.wiring.wires import dialect_of

    # The catalog has the address of Ollama's OpenAI side; written into a configuration it would choose that.
    if plan.vendor.wire == "ollama" and plan.base_url and dialect_of(plan, "").name == "ollama":
        return str(plan.base_url.removesuffix("/v1"))
    return plan.base_url or "in this process"


_AMBIENT = {"aws": "AWS's", "entra": "Microsoft Entra's", "google": "Google's default"}


def _without(plan: Any) -> str:
    if plan.vendor.ambient is not None and plan.is_at_vendor:
        return f"no key: {_AMBIENT[plan.vendor.ambient]} credentials of this machine, if it has any"
    return "needs no key"


def _missing(config: Any, name: str, error: Exception) -> str:
    from penstock.catalog import providers

    if config.provider(name).keys:
        return str(error)
    vendor = providers().get(name)
    if vendor and vendor.ambient is not None:
        return str(error).removeprefix(f"{name}: ")
    return f"no key: set {' or '.join(vendor.key_env)}" if vendor and vendor.key_env else str(error)


def _base(config: Any, name: str) -> str:
    from penstock.catalog import providers

    vendor = providers().get(name)
    return config.provider(name).base_url or (vendor.base_url if vendor else None) or "no address"
