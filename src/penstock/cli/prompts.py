"""`penstock prompts`: what a folder of prompts holds, what a prompt becomes, and how two versions differ."""

from __future__ import annotations

from typing import Any

import click

__all__ = ["command"]

_library = click.option("--library", metavar="DIR", default="prompts", help="The folder. Default: prompts")
_rules = click.option("--rules", metavar="FILE", help="A Python file whose functions are filters of the prompts.")


@click.group("prompts")
def command() -> None:
    """Prompts in files: their versions, what they make, how they differ."""


@command.command("list")
@_library
@_rules
@click.option("--json", "as_json", is_flag=True, help="As JSON, a line for each version.")
def list_(*, library: str, rules: str | None, as_json: bool) -> None:
    """Every version of every prompt."""
    import msgspec

    from penstock.batch.display_words import legible

    opened = _opened(library, rules)
    for prompt in opened:
        if as_json:
            told = prompt.to_dict()
            click.echo(msgspec.json.encode({**told, "variables": prompt.variables, "required": prompt.required}))
            continue
        takes = ", ".join(name if name in prompt.required else f"[{name}]" for name in prompt.variables)
        weight = f"weight {prompt.weight:g}  " if prompt.weight is not None else ""
        click.echo(f"{prompt!s:<28}  {weight}({legible(takes, 200)})  {legible(prompt.description, 200)}".rstrip())


@command.command("show")
@click.argument("prompt", metavar="NAME[@VERSION]")
@_library
@_rules
def show(prompt: str, *, library: str, rules: str | None) -> None:
    """One version: what it is called, what it takes, its settings and its templates."""
    import msgspec

    found = _found(prompt, library, rules)
    rows = [
        ("prompt", str(found)),
        ("hash", found.hash),
        ("type", found.type),
        ("description", found.description),
        ("variables", ", ".join(found.variables)),
        ("required", ", ".join(found.required)),
    ]
    for name in ("defaults", "settings", "metadata"):
        if table := getattr(found, name):
            rows.append((name, msgspec.json.encode(table, enc_hook=str).decode()))
    for name in ("max_prompt_tokens", "weight"):
        if (value := getattr(found, name)) is not None:
            rows.append((name, f"{value:g}"))
    for name, text in rows:
        if text:
            click.echo(f"{name:<19}{text}")
    for role, text in found.templates:
        click.echo(f"\n{role}:\n{text}")


@command.command("render")
@click.argument("prompt", metavar="NAME[@VERSION]")
@click.option("--var", "values", multiple=True, metavar="NAME=VALUE", help="A variable; a VALUE that is JSON is that.")
@click.option("--user", help="The version that this user sees, by the weights in the files.")
@click.option("-m", "--model", help="Whose tokens are counted.")
@_library
@_rules
@click.option("--json", "as_json", is_flag=True, help="As JSON, with its version and settings.")
def render(
    prompt: str,
    *,
    values: tuple[str, ...],
    user: str | None,
    model: str | None,
    library: str,
    rules: str | None,
    as_json: bool,
) -> None:
    """What a prompt becomes with these values. Nothing is sent."""
    import msgspec

    from penstock.tokens import count_tokens

    if user is not None and "@" in prompt:
        raise click.UsageError("--user: the weights in the files say which version; leave @VERSION out")
    found = _opened(library, rules).for_user(prompt, user) if user is not None else _found(prompt, library, rules)
    rendered = found.render(dict(map(_value, values)), model=model)
    if as_json:
        click.echo(msgspec.json.encode(rendered, enc_hook=str))
        return
    if rendered.type == "completion":
        click.echo(rendered.text)
    for message in rendered.messages:
        click.echo(f"{message['role']}:\n{message['content']}\n")
    counting = model or found.settings.get("model")
    counted = counting if isinstance(counting, str) else ""
    count = count_tokens(list(rendered.messages) or rendered.text, model=counted)
    about = "" if count.is_exact else "about "
    click.echo(f"{rendered.source}: {about}{count.tokens} tokens{f' as {counted} counts' if counted else ''}", err=True)


@command.command("diff")
@click.argument("name", metavar="NAME")
@click.argument("old", metavar="VERSION")
@click.argument("new", metavar="[VERSION]", default="latest")
@_library
@_rules
@click.pass_context
def diff(ctx: click.Context, /, *, name: str, old: str, new: str, library: str, rules: str | None) -> None:
    """How two versions differ, line by line; the second is the latest unless named. Exit code 1 when they do."""
    import difflib

    opened = _opened(library, rules)
    one, other = opened.get(name, old), opened.get(name, new)
    lines = list(difflib.unified_diff(_lines(one), _lines(other), str(one), str(other), lineterm=""))
    for line in lines:
        click.echo(line)
    ctx.exit(1 if lines else 0)


def _opened(library: str, rules: str | None) -> Any:
    from penstock.prompts import PromptLibrary, read_rules

    own = None if rules is None else read_rules(rules).functions
    return PromptLibrary(library, rules=own, reload=False)


def _found(prompt: str, library: str, rules: str | None) -> Any:
    name, sign, version = prompt.partition("@")
    if sign and not version:
        raise click.UsageError(f"expected NAME or NAME@VERSION, got {prompt!r}")
    opened = _opened(library, rules)
    return opened.get(name, version) if sign else opened.get(name)


def _value(text: str) -> tuple[str, Any]:
    """NAME=VALUE; a VALUE that is JSON is that, any other is text."""
    import msgspec

    name, sign, value = text.partition("=")
    if not sign or not name:
        raise click.BadParameter(f"expected NAME=VALUE, got {text!r}", param_hint="--var")
    try:
        return name, msgspec.json.decode(value)
    except msgspec.DecodeError:
        return name, value


def _lines(prompt: Any) -> list[str]:
    """Everything that can change an answer or a split, and what people wrote about it; one thing a line."""
    import msgspec

    told = prompt.to_dict()
    lines = []
    for key in ("type", "description", "max_prompt_tokens", "weight"):
        if told[key] not in (None, ""):
            lines.append(f"{key}: {told[key]}")
    for key in ("defaults", "settings", "metadata"):
        lines += [f"{key}.{name}: {msgspec.json.encode(value).decode()}" for name, value in sorted(told[key].items())]
    for role, text in prompt.templates:
        lines += ["", f"{role}:", *text.split("\n")]
    return lines
