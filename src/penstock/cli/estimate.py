"""`penstock estimate`: what a run would come to, before a cent is spent."""

from __future__ import annotations

from typing import Any

import click

from penstock.cli.options import key_value

__all__ = ["command"]


@click.command("estimate")
@click.argument("input", metavar="INPUT")
@click.option("-m", "--model", "models", multiple=True, help="A target or route; the first target is counted.")
@click.option("--prompt", help='A template such as "Summarise: {{ text }}" over columns; or @NAME[@VERSION], @FILE.md.')
@click.option("--prompt-library", metavar="DIR", help="Where @NAME is looked up. Default: prompts")
@click.option("--prompt-rules", metavar="FILE", help="A Python file whose functions are filters of the prompts.")
@click.option("--split-by", metavar="COLUMN", help="Whose row it is: divides rows among the versions with a weight.")
@click.option("--id-column", help="The column that holds the custom_id.")
@click.option("-s", "--system", help="A system message for every chat, in place of its own.")
@click.option("--max-tokens", type=click.IntRange(min=1))
@click.option("--output-tokens", type=click.IntRange(min=0), help="What an answer has usually. Default: 300.")
@click.option("--param", "params", multiple=True, metavar="KEY=VALUE", help="Any other field of the body; repeatable.")
@click.option("--rpm", type=click.IntRange(min=1), help="Requests a minute, for each key.")
@click.option("--tpm", type=click.IntRange(min=1), help="Tokens a minute, for each key.")
@click.option("--samples", type=click.IntRange(min=1), default=1, help="Answers for each row.")
@click.option("--limit", type=click.IntRange(min=1), help="Only the first rows of INPUT.")
@click.option("--no-dedup", is_flag=True, help="Count equal rows each for itself.")
@click.option("--skip-bad", is_flag=True, help="Leave bad lines out.")
@click.option("--base-url", help="The server, instead of the provider's own.")
@click.option("--config", metavar="FILE", help="Default: penstock.toml")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def command(**options: Any) -> None:
    """Requests, tokens, price and shortest time of a run of INPUT. Nothing is sent, and no key is needed."""
    from penstock.batch.estimating import estimate_run
    from penstock.batch.settings import JobSettings
    from penstock.config import load_config
    from penstock.wiring import Overrides, build

    as_json, usual = options.pop("as_json"), options.pop("output_tokens")
    params = dict(map(key_value, options.pop("params")))
    if (most := options.pop("max_tokens")) is not None:
        params["max_tokens"] = most
    settings = JobSettings(
        output="-", params=params, models=tuple(options.pop("models")), dedup=not options.pop("no_dedup"), **options
    )
    said = Overrides(base_url=settings.base_url, rpm=settings.rpm, tpm=settings.tpm)
    engine = build(load_config(settings.config, for_command=True), patience="batch", overrides=said)
    found = estimate_run(settings, engine, usual_output=usual)
    if as_json:
        import msgspec

        click.echo(msgspec.json.encode(found))
        return
    for line in _lines(found):
        click.echo(line)


def _lines(found: Any) -> list[str]:
    from penstock.batch.display_words import amount, count, legible, money, span
    from penstock.prices.library import Library

    def tokens(told: Any) -> str:
        return f"{amount(told.low)} / {amount(told.expected)} / {amount(told.high)}"

    cost = found.cost_usd
    unknown = f"unknown: no price of {', '.join(found.unpriced)}; [providers.NAME.prices] in penstock.toml gives one"
    if found.unpriced and not Library().is_installed:
        unknown += "; pip install 'penstock[prices]' brings the vendors'"
    equal = f", {count(found.equal_rows)} equal rows more are not sent" if found.equal_rows else ""
    open_ = f"  ({count(found.unbounded)} requests without max_tokens: the model's own limit counts)"
    rows = [
        ("target", legible(", ".join(found.targets), 300)),
        ("requests", f"{count(found.requests)}{equal}"),
        ("", "low / expected / high"),
        ("input", tokens(found.input_tokens) + (f"  (within {found.token_error:.0%})" if found.token_error else "")),
        ("output", tokens(found.output_tokens) + (open_ if found.unbounded else "")),
        ("cost", f"{money(cost.low)} / {money(cost.expected)} / {money(cost.high)}" if cost is not None else unknown),
        (
            "time",
            "no limit is known; it is learned from the provider's answers"
            if found.shortest_s is None
            else f"at least {span(found.shortest_s)}, by {found.limited_by}",
        ),
    ]
    return [f"{name:<10}{text}" for name, text in rows]
