"""A prompt: templates, the variables they take, and what becomes of them when they are given."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec

from penstock.call import Message, PromptVersion
from penstock.errors import InputError
from penstock.prompts.template import NoTemplate, Rule, Template, TemplateFailed

if TYPE_CHECKING:
    from penstock.tokens import Count

__all__ = ["ROLES", "Clock", "Prompt", "PromptType", "Rendered"]

PromptType = Literal["chat", "completion"]
Clock = Callable[[], datetime]
"""Now, for templates that say when they were rendered."""

ROLES: Final = ("system", "developer", "user", "assistant")
_LEFT_OUT_WHEN_BLANK: Final = ("system", "developer")
_NOW = "%Y-%m-%d %H:%M"
_INF = float("inf")


class Rendered(msgspec.Struct, frozen=True, kw_only=True):
    """A prompt with its values: what is asked, and which version of which prompt it came from."""

    type: PromptType
    messages: tuple[Message, ...]
    """Of a chat; () for a text completion."""
    text: str
    """The text to complete; of a chat the last message's."""
    source: PromptVersion
    settings: dict[str, Any]
    """The prompt's own model settings, which what a caller says overrides."""
    variables: dict[str, Any]
    """The values, defaults included."""

    @property
    def name(self) -> str:
        return self.source.name

    @property
    def version(self) -> str:
        return self.source.version

    @property
    def hash(self) -> str:
        """Of the prompt, not of this text."""
        return self.source.hash

    @property
    def most_tokens(self) -> int:
        """No tokenizer makes more of it: its bytes, at most, and what is around messages."""
        return 4 * sum(len(message["content"]) for message in self.messages) or 4 * len(self.text)

    def count(self, model: str = "") -> Count:
        """Its tokens, as `model` counts them."""
        from penstock.tokens import count_tokens

        return count_tokens(list(self.messages) if self.type == "chat" else self.text, model=model)

    def __str__(self) -> str:
        return self.text


class Prompt:
    """A prompt with `{{ variables }}`: a text, or chat messages whose contents are templates.

    `Prompt("Translate to {{ language }}: {{ text }}", name="translate", version="1.0.0")`. `defaults` are values for
    variables that a caller leaves out, `settings` model settings (`temperature`, `model`, ...) below what a caller
    says, `rules` filters of one's own, `clock` what `{{ now() }}` tells. A result of more than `max_prompt_tokens`
    tokens is refused. `type="completion"` makes a text for models without chats. A value: nothing changes it.
    Raises `InputError` for what is no prompt; `where` is what it calls the prompt, `first_lines` where each template
    begins there.
    """

    __slots__ = (
        *("_templates", "defaults", "description", "hash", "max_prompt_tokens", "metadata", "name", "settings"),
        *("type", "uses_clock", "variables", "version", "weight"),
    )

    def __init__(
        self,
        template: str | Sequence[Mapping[str, str]],
        *,
        name: str = "",
        version: str = "",
        type: PromptType = "chat",  # noqa: A002 - the word of the file
        description: str = "",
        defaults: Mapping[str, Any] | None = None,
        settings: Mapping[str, Any] | None = None,
        metadata: Mapping[str, Any] | None = None,
        max_prompt_tokens: int | None = None,
        weight: float | None = None,
        rules: Mapping[str, Rule] | None = None,
        clock: Clock | None = None,
        first_lines: Sequence[int] = (),
        where: str = "",
    ) -> None:
        if type not in ("chat", "completion"):
            raise InputError(f'{where or "a prompt"}: type: expected "chat" or "completion", got {type!r:.80}')
        self.name = name
        self.version = version
        for field, value in (("name", name), ("version", version), ("description", description)):
            if not isinstance(value, str):
                raise InputError(f"{where or 'a prompt'}: {field}: expected text, got {value!r:.80}")
        tables = {"defaults": defaults, "settings": settings, "metadata": metadata, "rules": rules}
        _check_said(where or str(self), tables, max_prompt_tokens, weight)
        _check_rules(where or str(self), rules or {})
        self.type: PromptType = type
        self.description = description
        self.defaults: Mapping[str, Any] = dict(defaults or {})
        self.settings: Mapping[str, Any] = dict(settings or {})
        self.metadata: Mapping[str, Any] = dict(metadata or {})
        self.max_prompt_tokens = max_prompt_tokens
        self.weight = weight
        """Its share of users where versions are compared; None: it takes no part."""
        parts = _parts(template, type, where or str(self))
        functions = {"now": _now_of(clock or _system_clock)}
        self._templates: list[tuple[str, Template]] = []
        for place, (role, text) in enumerate(parts):
            try:
                self._templates.append((role, Template(text, rules=rules, functions=functions)))
            except NoTemplate as error:
                if not where:
                    raise InputError(f"{self}: {error}") from error
                line = error.line + (first_lines[place] if place < len(first_lines) else 1) - 1
                raise InputError(f"{where}:{line}: not a template: {error.message}") from error
        self.uses_clock = any(made.called for _, made in self._templates)
        """It says when it was rendered: the same values make another text later."""
        self.variables: tuple[str, ...] = tuple(sorted({v for _, made in self._templates for v in made.variables}))
        """What the templates name, in alphabetical order."""
        for default in self.defaults:
            if default not in self.variables:
                known = _quoted(self.variables) or "none"
                raise InputError(f'{where or self}: defaults: "{default}" is no variable; the variables are: {known}')
        self.hash: str = _hash(type, parts, self.defaults, self.settings, where or str(self))
        """The SHA-256, in hex, of everything in it that can change an answer."""

    @property
    def templates(self) -> tuple[tuple[str, str], ...]:
        """Role and text of each message; of a completion the role is "prompt"."""
        return tuple((role, made.text) for role, made in self._templates)

    @property
    def required(self) -> tuple[str, ...]:
        """The variables that a caller must give."""
        return tuple(v for v in self.variables if v not in self.defaults and not self._is_optional(v))

    @property
    def source(self) -> PromptVersion:
        return PromptVersion(self.name, self.version, self.hash)

    def render(
        self,
        variables: Mapping[str, Any] | None = None,
        /,
        *,
        model: str | None = None,
        max_tokens: int | None = None,
        **more: Any,
    ) -> Rendered:
        """The prompt with these values; defaults stand in for those that are left out.

        The result may have `max_tokens` tokens (`max_prompt_tokens` of the prompt, when both are there the smaller
        one), counted as `model` counts. A variable called `model` or `max_tokens` is given in `variables`. Raises
        `InputError`: a variable missing or unexpected, an empty or too long result, an error inside a template.
        """
        if variables is not None and not isinstance(variables, Mapping):
            raise InputError(f"{self}: variables: expected names and values, got {variables!r:.80}")
        given = {**(variables or {}), **more}
        self._check(given)
        values = {**self.defaults, **given}
        try:
            texts = [(role, made.render(values)) for role, made in self._templates]
        except TemplateFailed as error:
            raise InputError(f"{self}: {error}") from error
        rendered = self._rendered(texts, values)
        bounds = [bound for bound in (max_tokens, self.max_prompt_tokens) if bound is not None]
        if bounds:
            self._check_length(rendered, min(bounds), model or _first(self.settings.get("model")))
        return rendered

    def _check(self, given: Mapping[str, Any]) -> None:
        unexpected = [str(name) for name in given if name not in self.variables]
        missing = [name for name in self.required if name not in given]
        if not (unexpected or missing):
            return
        said = [f"missing {_quoted(missing)}"] if missing else []
        if unexpected:
            said.append(f"unexpected {_quoted(unexpected)}")
        raise InputError(f"{self}: {', '.join(said)}; the variables are: {_quoted(self.variables) or 'none'}")

    def _rendered(self, texts: list[tuple[str, str]], values: dict[str, Any]) -> Rendered:
        kept = [(role, text) for role, text in texts if text.strip() or role not in _LEFT_OUT_WHEN_BLANK]
        blank = next((role for role, text in kept if not text.strip()), None)
        if blank is not None or not kept:
            what = f"{blank} message" if blank in ROLES else "prompt"
            raise InputError(f"{self}: the {what} is empty with these values")
        is_chat = self.type == "chat"
        return Rendered(
            type=self.type,
            messages=tuple({"role": role, "content": text} for role, text in kept) if is_chat else (),
            text=kept[-1][1],
            source=self.source,
            settings=dict(self.settings),
            variables=values,
        )

    def _check_length(self, rendered: Rendered, most: int, model: str | None) -> None:
        count = rendered.count(model or "")
        if count.tokens > most:
            about = "" if count.is_exact else "about "
            counted = f" as {model} counts" if model else ""
            raise InputError(f"{self}: the prompt has {about}{count.tokens} tokens{counted}, and may have {most}")

    def _is_optional(self, variable: str) -> bool:
        return all(variable in made.optional for _, made in self._templates if variable in made.variables)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, from which `Prompt.of_dict` makes it again."""
        plain = {
            "name": self.name,
            "version": self.version,
            "type": self.type,
            "templates": [list(part) for part in self.templates],
            "description": self.description,
            "defaults": self.defaults,
            "settings": self.settings,
            "metadata": self.metadata,
            "max_prompt_tokens": self.max_prompt_tokens,
            "weight": self.weight,
            "hash": self.hash,
        }
        made: dict[str, Any] = msgspec.to_builtins(plain, enc_hook=str)
        return made

    @classmethod
    def of_dict(cls, plain: Mapping[str, Any], *, rules: Mapping[str, Rule] | None = None) -> Prompt:
        """The prompt that `to_dict` told of. Raises `InputError`."""
        try:
            parts = [(str(role), str(text)) for role, text in plain["templates"]]
            kept = ("name", "version", "type", "description", "defaults", "settings", "metadata")
            said = {name: plain[name] for name in (*kept, "max_prompt_tokens", "weight") if name in plain}
            is_text = said.get("type") == "completion"
            template = parts[0][1] if is_text else [{"role": role, "content": text} for role, text in parts]
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise InputError(f"no prompt: {error}") from error
        return cls(template, **said, rules=rules)

    def __str__(self) -> str:
        return f"{self.name}@{self.version}" if self.version else self.name or "a prompt"

    def __repr__(self) -> str:
        return f"Prompt({str(self)!r}, variables={self.variables!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Prompt) and self.to_dict() == other.to_dict()

    def __hash__(self) -> int:
        return hash((self.name, self.version, self.hash))


def _check_said(where: str, tables: Mapping[str, object], most: object, weight: object) -> None:
    """Raises `InputError` for what can't be meant, whatever the template is."""
    for field, table in tables.items():
        if table is not None and not (isinstance(table, Mapping) and all(isinstance(name, str) for name in table)):
            raise InputError(f"{where}: {field}: expected a table of names and values, got {table!r:.80}")
    if most is not None and (isinstance(most, bool) or not isinstance(most, int) or most < 1):
        raise InputError(f"{where}: max_prompt_tokens: expected a whole number above 0, got {most!r:.80}")
    if weight is not None and (
        isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 <= weight < _INF
    ):
        raise InputError(f"{where}: weight: expected a number, 0 or above, got {weight!r:.80}")


def _check_rules(where: str, rules: Mapping[str, object]) -> None:
    for name, rule in rules.items():
        if not callable(rule) or inspect.iscoroutinefunction(rule):
            what = "an async one" if callable(rule) else f"{rule!r:.80}"
            raise InputError(f"{where}: rules: {name}: expected a function of a value, got {what}")


def _parts(template: object, type_: str, where: str) -> list[tuple[str, str]]:
    """Role and text of each template."""
    if isinstance(template, str):
        if not template.strip():
            raise InputError(f"{where}: the template is empty")
        return [("user" if type_ == "chat" else "prompt", template)]
    if type_ == "completion":
        raise InputError(f"{where}: a completion has one text, not messages")
    if not isinstance(template, Sequence) or not template:
        raise InputError(f"{where}: expected a text or a list of messages, got {template!r:.80}")
    parts = []
    for place, message in enumerate(template):
        role = message.get("role") if isinstance(message, Mapping) else None
        content = message.get("content") if isinstance(message, Mapping) else None
        if role not in ROLES or not isinstance(content, str):
            form = '{"role": "user", "content": "..."}'
            raise InputError(f"{where}: message {place}: expected {form}, got {message!r:.80}")
        if not content.strip():
            raise InputError(f"{where}: message {place}: the template is empty")
        parts.append((str(role), content))
    if all(role in _LEFT_OUT_WHEN_BLANK for role, _ in parts):
        raise InputError(f"{where}: there is a system message and nothing to answer: a user message is missing")
    return parts


def _hash(
    type_: str, parts: Sequence[tuple[str, str]], defaults: Mapping[str, Any], settings: Mapping[str, Any], where: str
) -> str:
    try:
        form = msgspec.json.encode([type_, parts, defaults, settings], order="deterministic", enc_hook=str)
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(f"{where}: defaults and settings: no JSON: {error}") from error
    return hashlib.sha256(b"penstock-prompt-1\n" + form).hexdigest()


def _system_clock() -> datetime:
    return datetime.now().astimezone()


def _now_of(clock: Clock) -> Callable[..., str]:
    def now(form: str = _NOW) -> str:
        return clock().strftime(form)

    return now


def _quoted(names: Sequence[str]) -> str:
    return ", ".join(f'"{name}"' for name in list(names)[:20])


def _first(model: object) -> str | None:
    if isinstance(model, str):
        return model
    return model[0] if isinstance(model, list | tuple) and model and isinstance(model[0], str) else None
