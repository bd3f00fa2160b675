"""`[routes.NAME.prompts]`: a target that is asked in its own words."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penstock.config.suggest import did_you_mean
from penstock.config.values import Reader, Where, read_one_of, read_str, read_table
from penstock.errors import InputError

if TYPE_CHECKING:
    from penstock.prompts import Prompt

__all__ = ["TargetPrompt", "check_targets", "read_target_prompts"]


@dataclass(frozen=True, slots=True)
class TargetPrompt:
    """What one target of a route is asked in place of the request's own words."""

    target: str
    prompt: Prompt


def read_target_prompts(value: object, where: Where) -> tuple[TargetPrompt, ...]:
    """A table of prompts by target: `{ template = "...", type = "completion" }`, or `{ file = "base.md" }`."""
    if not isinstance(value, dict):
        raise where.expected("a table of prompts by target", value)
    return tuple(TargetPrompt(str(target), _prompt(said, where.at(str(target)))) for target, said in value.items())


def check_targets(prompts: tuple[TargetPrompt, ...], targets: tuple[str, ...], where: Where) -> None:
    """Raises `ConfigError` for a prompt of a target that the route hasn't."""
    for one in prompts:
        if one.target not in targets:
            raise where.at(one.target).error(f"no target of this route{did_you_mean(one.target, targets)}")


def _template(value: object, where: Where) -> str:
    if isinstance(value, str) and value.strip():
        return value
    raise where.expected("text", value)


_PROMPT: dict[str, Reader] = {"template": _template, "file": read_str, "type": read_one_of(("chat", "completion"))}


def _prompt(value: object, where: Where) -> Prompt:
    # Imported here: most configurations have none, and start-up time is part of the product.
    from penstock.prompts import Prompt, read_prompt_file

    said: dict[str, Any] = read_table(value, _PROMPT, where)
    if ("template" in said) == ("file" in said):
        raise where.error('expected a template or a file, such as { type = "completion", template = "{{ prompt }}" }')
    try:
        if "template" in said:
            return Prompt(said["template"], type=said.get("type", "chat"), name=".".join(where.path))
        if "type" in said:
            raise where.at("type").error("a file says its type itself")
        return read_prompt_file(Path(where.source).parent / Path(said["file"]).expanduser())
    except InputError as error:
        raise where.error(str(error)) from error
