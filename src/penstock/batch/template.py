"""`--prompt`: what asks a row, an inline template over its columns or a prompt of a library."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Protocol

import msgspec

from penstock.batch.sources_form import chat_of
from penstock.call import Kind, PromptVersion
from penstock.errors import InputError
from penstock.prompts import NoTemplate, Template, TemplateFailed

__all__ = ["Asked", "Asker", "PromptTemplate", "TemplateFailed", "wanted_by"]

_ROW = "row"


class Asked(msgspec.Struct, frozen=True):
    """What a row asks."""

    kind: Kind
    model: str | None
    body: dict[str, Any]
    prompt: PromptVersion | None
    """The prompt of a library that it was made from."""
    variables: dict[str, Any]


class Asker(Protocol):
    """Makes a row's request from its columns."""

    @property
    def text(self) -> str:
        """Changes when the same columns may make another request."""
        ...

    @property
    def variables(self) -> tuple[str, ...]:
        """The columns that it reads; "row" stands for all of them."""
        ...

    @property
    def split_by(self) -> str | None:
        """The column that says whose row it is, where that decides what is asked."""
        ...

    def missing(self, columns: Collection[str]) -> list[str]:
        """The columns that it needs and that are not there, `split_by` first."""
        ...

    def ask(self, columns: Mapping[str, Any]) -> Asked:
        """Raises `TemplateFailed`: no request can be made of these."""
        ...


def wanted_by(asker: Asker, column: str) -> str:
    """The option that asks for the column."""
    return "--split-by" if column == asker.split_by else "--prompt"


class PromptTemplate:
    """A prompt with `{{ column }}` in it. Columns whose name is no identifier are `{{ row["their name"] }}`.

    None renders as nothing. Nothing is escaped; attributes that start with an underscore are refused.
    Raises `InputError` when `text` is no template.
    """

    __slots__ = ("_template", "text", "variables")
    split_by = None

    def __init__(self, text: str) -> None:
        try:
            self._template = Template(text)
        except NoTemplate as error:
            raise InputError(f"--prompt: {error}") from error
        self.text = text
        self.variables: tuple[str, ...] = self._template.variables
        """The columns it names, in alphabetical order."""

    def missing(self, columns: Collection[str]) -> list[str]:
        """The variables that are no column."""
        return [name for name in self.variables if name not in columns and name != _ROW]

    def render(self, columns: Mapping[str, Any]) -> str:
        """The prompt. Raises `TemplateFailed`: an empty prompt, or an error inside the template."""
        values = columns if _ROW in columns or _ROW not in self.variables else {**columns, _ROW: columns}
        prompt = self._template.render(values)
        if not prompt:
            raise TemplateFailed("expected a prompt, got an empty one")
        return prompt

    def ask(self, columns: Mapping[str, Any]) -> Asked:
        values = {name: columns[name] for name in self.variables if name in columns}
        return Asked("chat", None, chat_of(self.render(columns)), None, values)
