"""From a prompt and its variables to what is asked: the prompt's settings stand below what the caller says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from penstock.call import Kind
from penstock.client.options import Asking, read_options
from penstock.errors import ConfigError, InputError
from penstock.prompts import Prompt, Rendered
from penstock.wiring import Models, TargetContext

__all__ = ["LEAST_CONTEXT", "TextPrompt", "check_room", "content_of", "rendered_of", "settings_under"]

TextPrompt = str | Prompt | Rendered
"""What a completion goes on with."""

LEAST_CONTEXT = 4_000
"""Tokens that every model reads."""


def rendered_of(prompt: object, variables: Mapping[str, Any] | None, models: Models) -> Rendered | None:
    """The prompt with its values; None for what is neither. `models` are those that it will be asked of.

    Raises `InputError` for variables that don't fit, and for variables where nothing takes any.
    """
    if isinstance(prompt, Prompt):
        return prompt.render(variables or {}, model=models if models is None or isinstance(models, str) else models[0])
    if variables is not None:
        already = "rendered already" if isinstance(prompt, Rendered) else f"a {type(prompt).__name__}"
        raise InputError(f"variables: only a penstock.Prompt takes them, and this prompt is {already}")
    return prompt if isinstance(prompt, Rendered) else None


def content_of(rendered: Rendered, kind: Kind) -> tuple[Kind, Any]:
    """The kind of request and what goes into its first place. `kind` is what the caller's method asks."""
    if rendered.type == "completion":
        return "completion", rendered.text
    if kind == "completion":
        raise InputError(f'{rendered.source}: a chat; complete takes a prompt of type "completion"')
    return kind, [dict(message) for message in rendered.messages]


def check_room(rendered: Rendered, targets: Sequence[TargetContext]) -> None:
    """Raises `InputError` for a prompt that has more tokens than any of its targets can read, where that is known."""
    widest = max(targets, key=lambda one: one.length or 0, default=None)
    if widest is None or not all(one.length for one in targets) or rendered.most_tokens <= (widest.length or 0):
        return
    count = rendered.count(widest.model)
    if round(count.tokens * (1 - count.error)) > (widest.length or 0):
        about = "" if count.is_exact else "about "
        raise InputError(
            f"{rendered.source}: the prompt has {about}{count.tokens} tokens, and {widest.target} reads {widest.length}"
        )


def settings_under(rendered: Rendered, kind: Kind, asking: Asking, *, has_models: bool) -> Asking:
    """The options, the prompt's settings where the caller said nothing. A model of its own counts where nobody, not
    the client either, named one. Raises `InputError` for settings that are none."""
    settings = rendered.settings
    if not settings:
        return asking
    try:
        own = read_options(kind, {name: value for name, value in settings.items() if name != "model" or not has_models})
    except (TypeError, ConfigError) as error:
        raise InputError(f"{rendered.source}: settings: {error}") from error
    return own.under(asking)
