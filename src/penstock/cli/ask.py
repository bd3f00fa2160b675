"""`penstock ask`: one answer, streamed to the terminal."""

from __future__ import annotations

import os
import stat
import sys
from typing import Any

import click

from penstock.cli.options import Hedge, key_value

__all__ = ["command"]

_MOST_PIPED = 16 * 1024 * 1024
_EXIT_UNANSWERED = 1


@click.command("ask")
@click.argument("prompt", required=False)
@click.option("-m", "--model", "models", multiple=True, help="A target or route; repeated: in order of preference.")
@click.option("-s", "--system", help="A system message.")
@click.option("--temperature", type=float)
@click.option("--max-tokens", type=click.IntRange(min=1))
@click.option("--top-p", type=float)
@click.option("--seed", type=int)
@click.option("--param", "params", multiple=True, metavar="KEY=VALUE", help="Any other field of the body; repeatable.")
@click.option("--deadline", help='For the whole answer, such as "30s". Default: 120 s.')
@click.option("--hedge", type=Hedge(), help="Ask the next target too when the first is late.")
@click.option("--base-url", help="Send to this server instead of the provider's own.")
@click.option("--no-cache", is_flag=True, help="Leave the cache of the configuration alone.")
@click.option("--config", metavar="FILE", help="Default: penstock.toml")
@click.option("--json", "as_json", is_flag=True, help="Print the whole answer as JSON once it is there.")
@click.pass_context
def command(ctx: click.Context, /, **options: Any) -> None:
    """Ask one PROMPT. What is piped in is appended to it."""
    import asyncio

    params = dict(map(key_value, options.pop("params")))
    for name in ("temperature", "max_tokens", "top_p", "seed"):
        if (value := options.pop(name)) is not None:
            params[name] = value
    prompt = "\n\n".join(part for part in (options.pop("prompt"), _piped()) if part)
    if not prompt.strip():
        raise click.UsageError("no prompt: give one, or pipe it in", ctx)
    ctx.exit(asyncio.run(_ask(prompt, params, **options)))


async def _ask(
    prompt: str,
    params: dict[str, Any],
    *,
    models: tuple[str, ...],
    system: str | None,
    deadline: str | None,
    hedge: str | float | None,
    base_url: str | None,
    no_cache: bool,
    config: str | None,
    as_json: bool,
) -> int:
    import msgspec

    from penstock.client import AsyncClient
    from penstock.config import load_config
    from penstock.errors import Unanswered
    from penstock.observers.logging import masked

    loaded = load_config(config, for_command=True)
    manner: dict[str, Any] = {"cache": "off"} if no_cache else {}
    async with AsyncClient(*models, config=loaded, deadline=deadline, hedge=hedge, base_url=base_url) as client:
        try:
            if as_json:
                answer = await client.generate(prompt, system=system, extra=params, **manner)
                click.echo(msgspec.json.encode(answer.to_dict()))
                return 0
            stream = client.stream(prompt, system=system, extra=params, **manner)
            return await _print(stream)
        except Unanswered as error:
            click.echo(masked(f"penstock: {error}"), err=True)
            return _EXIT_UNANSWERED


async def _print(stream: Any) -> int:
    """Chunks to stdout as they come; what ended the answer early to stderr."""
    last = "\n"
    try:
        async for chunk in stream:
            if chunk.text and chunk.choice == 0:
                click.echo(chunk.text, nl=False)
                last = chunk.text[-1]
    finally:
        if last != "\n":
            click.echo()
    status = stream.answer.status
    if status != "success":
        click.echo(f"penstock: the answer is {status} (finish reason {stream.answer.finish_reason})", err=True)
    if lost := stream.answer.malformed_events:
        click.echo(f"penstock: {lost} event(s) of the stream were unreadable; the answer may lack a part", err=True)
    if calls := stream.answer.tool_calls:
        click.echo(f"penstock: the answer calls {len(calls)} tool(s); --json shows them", err=True)
    return 0


def _piped() -> str:
    """What a pipe or a file brings on stdin; "" at a terminal and where nothing is connected."""
    stream = sys.stdin.buffer
    if stream.isatty() or _is_device():
        return ""
    data = stream.read(_MOST_PIPED + 1)
    if len(data) > _MOST_PIPED:
        raise click.UsageError(f"what is piped in is longer than {_MOST_PIPED // 1024 // 1024} MiB")
    return data.decode("utf-8", "replace").strip()


def _is_device() -> bool:
    """Whether stdin is the null device or the like, which brings nothing."""
    try:
        return stat.S_ISCHR(os.fstat(sys.stdin.fileno()).st_mode)
    except (OSError, ValueError):
        return False  # a stream without a descriptor can still be read
