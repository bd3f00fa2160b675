"""`--prompt`: a sandboxed Jinja template over a row's columns."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from penstock.errors import InputError

__all__ = ["PromptTemplate", "TemplateFailed"]

_ROW = "row"


class TemplateFailed(ValueError):
    """The template made no prompt of this row; the message says why, without file and line."""


class PromptTemplate:
    """A prompt with `{{ column }}` in it. Columns whose name is no identifier are `{{ row["their name"] }}`.

    None renders as nothing. Nothing is escaped; attributes that start with an underscore are refused.
    Raises `InputError` when `text` is no template.
    """

    __slots__ = ("_render", "text", "variables")

    def __init__(self, text: str) -> None:
        # Imported here: most runs have no template, and start-up time is part of the product.
        from jinja2 import StrictUndefined, TemplateSyntaxError, meta
        from jinja2.sandbox import ImmutableSandboxedEnvironment

        environment = ImmutableSandboxedEnvironment(
            undefined=StrictUndefined, autoescape=False, keep_trailing_newline=True, finalize=_blank_none
        )
        try:
            tree = environment.parse(text)
            self._render: Callable[[Mapping[str, Any]], str] = environment.from_string(tree).render
        except TemplateSyntaxError as error:
            raise InputError(f"--prompt: not a template: {error.message} (line {error.lineno})") from error
        self.text = text
        known = environment.globals.keys()
        self.variables: tuple[str, ...] = tuple(sorted(meta.find_undeclared_variables(tree) - known))
        """The columns it names, in alphabetical order."""

    def missing(self, columns: Collection[str]) -> list[str]:
        """The variables that are no column."""
        return [name for name in self.variables if name not in columns and name != _ROW]

    def render(self, columns: Mapping[str, Any]) -> str:
        """The prompt. Raises `TemplateFailed`: an empty prompt, or an error inside the template."""
        from jinja2 import TemplateError

        values = columns if _ROW in columns or _ROW not in self.variables else {**columns, _ROW: columns}
        try:
            prompt = self._render(values)
        except (
            TemplateError,
            ArithmeticError,
            LookupError,
            TypeError,
            ValueError,
            AttributeError,
            RuntimeError,
        ) as error:
            raise TemplateFailed(f"the prompt's template fails: {error}") from error
        if not prompt:
            raise TemplateFailed("expected a prompt, got an empty one")
        return prompt


def _blank_none(value: object) -> object:
    return "" if value is None else value
