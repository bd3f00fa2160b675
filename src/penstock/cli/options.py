"""What several verbs' options have in common."""

from __future__ import annotations

from typing import Any

import click

__all__ = ["Hedge", "Seconds", "Usd", "key_value"]


class Seconds(click.ParamType[float]):
    """A duration such as 20, 20s or 15m, as seconds."""

    name = "DURATION"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        from penstock.config import read_duration
        from penstock.errors import ConfigError

        try:
            return read_duration(value, str(param.opts[0]) if param else "duration")
        except ConfigError as error:
            raise click.UsageError(str(error), ctx) from error  # it names the option


class Hedge(click.ParamType["str | float"]):
    """off, auto, or a delay such as 2s."""

    name = "off|auto|DELAY"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str | float:
        from penstock.config import read_hedge
        from penstock.config.values import Where
        from penstock.errors import ConfigError

        try:
            return read_hedge(value, Where(str(param.opts[0]) if param else "hedge"))
        except ConfigError as error:
            raise click.UsageError(str(error), ctx) from error  # it names the option


class Usd(click.ParamType[float]):
    """US dollars above 0."""

    name = "USD"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        from penstock.config import read_usd
        from penstock.errors import ConfigError

        name = str(param.opts[0]) if param else "budget"
        try:
            number = float(value)
        except (TypeError, ValueError):
            number = value
        try:
            return read_usd(number, name)
        except ConfigError as error:
            raise click.UsageError(str(error), ctx) from error  # it names the option


def key_value(text: str) -> tuple[str, Any]:
    """KEY=VALUE; a VALUE that is JSON is that, any other is a string."""
    import msgspec

    key, sign, value = text.partition("=")
    if not sign or not key:
        raise click.BadParameter(f"expected KEY=VALUE, got {text!r}", param_hint="--param")
    if key == "model":
        raise click.BadParameter("model: name it with -m", param_hint="--param")
    try:
        return key, msgspec.json.decode(value)
    except msgspec.DecodeError:
        return key, value
