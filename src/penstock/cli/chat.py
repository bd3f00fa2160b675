"""`penstock chat`: a conversation at the terminal, kept under a name when it is given one."""

from __future__ import annotations

from typing import Any

import click

from penstock.cli.options import key_value

__all__ = ["command"]

_STORE = "sqlite"
"""In the user's folder for data."""


@click.command("chat")
@click.option("-m", "--model", "models", multiple=True, help="A target or route; repeated: in order of preference.")
@click.option("--conversation", "name", metavar="NAME", help="Go on with this one, or begin it; it is kept.")
@click.option("-s", "--system", help="The system prompt.")
@click.option("--temperature", type=float)
@click.option("--max-tokens", type=click.IntRange(min=1), help="Of each answer.")
@click.option("--param", "params", multiple=True, metavar="KEY=VALUE", help="Any other field of the body; repeatable.")
@click.option("--context", type=click.IntRange(min=1), metavar="TOKENS", help="Send no more than this with a question.")
@click.option("--compress", type=click.Choice(("window", "summary")), help="What becomes of what doesn't fit.")
@click.option("--summary-model", help="Who writes summaries; the conversation's own model unless given.")
@click.option("--deadline", help='For each answer, such as "30s". Default: 120 s.')
@click.option("--base-url", help="Send to this server instead of the provider's own.")
@click.option("--config", metavar="FILE", help="Default: penstock.toml")
@click.option("--store", metavar="STORE", help='Where conversations are kept: "sqlite:PATH".')
@click.option("--list", "as_list", is_flag=True, help="List the kept conversations.")
@click.option("--delete", metavar="NAME", help="Delete a kept conversation.")
@click.pass_context
def command(
    ctx: click.Context,
    /,
    *,
    as_list: bool,
    delete: str | None,
    store: str | None,
    params: tuple[str, ...],
    **options: Any,
) -> None:
    """Talk to a model. /help lists what else can be typed; piped in, each line is a question."""
    if as_list or delete is not None:
        _kept(store or _STORE, delete)
        return
    if store is not None and options["name"] is None:
        raise click.UsageError("--store: it goes with --conversation NAME, without which nothing is kept, or --list")
    body = dict(map(key_value, params))
    for name in ("temperature", "max_tokens"):
        if (value := options.pop(name)) is not None:
            body[name] = value
    if options["summary_model"] is not None and options["compress"] != "summary":
        raise click.UsageError("--summary-model: it goes with --compress summary")
    ctx.exit(_chat(body, store or _STORE, **options))


def _chat(
    params: dict[str, Any],
    store: str,
    *,
    models: tuple[str, ...],
    name: str | None,
    system: str | None,
    context: int | None,
    compress: str | None,
    summary_model: str | None,
    deadline: str | None,
    base_url: str | None,
    config: str | None,
) -> int:
    from penstock.cli.chat_session import Session
    from penstock.client import Client
    from penstock.config import load_config
    from penstock.conversation import Conversation

    loaded = load_config(config, for_command=True)
    with Client(*models, config=loaded, deadline=deadline, base_url=base_url) as client:
        conversation = Conversation(
            system,
            client=client,
            model=models or None,
            max_tokens=context,
            compress=compress,
            summary_model=summary_model,
            store=None if name is None else store,
            name=name,
        )
        client.contexts(conversation.model)  # a model that is none is told before the first question
        return Session(conversation, params, store).run()


def _kept(url: str, delete: str | None) -> None:
    """List what is kept, or delete one of it."""
    import datetime

    from penstock.conversation.keeping import open_store
    from penstock.errors import InputError

    store = open_store(url)
    assert store is not None
    if delete is not None:
        if not store.delete(delete):
            raise InputError(f'no conversation "{delete}" is kept; --list shows them')
        click.echo(f"deleted: {delete}", err=True)
        return
    found = store.names()
    if not found:
        click.echo("no conversation is kept; --conversation NAME begins one", err=True)
    for name, messages, updated_s in found:
        when = datetime.datetime.fromtimestamp(updated_s).astimezone().strftime("%Y-%m-%d %H:%M")
        click.echo(f"{when}  {messages:>6} messages  {name}")
