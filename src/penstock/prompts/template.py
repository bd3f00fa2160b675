"""A sandboxed Jinja template: the variables it names, and the text it makes of their values."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from penstock.errors import InputError

if TYPE_CHECKING:
    from jinja2 import nodes

__all__ = ["RULES", "NoTemplate", "Rule", "Template", "TemplateFailed"]

Rule = Callable[..., Any]
"""A function of a value, and perhaps of more arguments: `{{ items | bullets }}`."""

_MOST_ITEMS = 1_000_000
"""What a multiplication may make; a template is no program."""
_MOST_POWER = 10_000


_OWN_FILTERS = " One of your own is a rule: rules={...}, or --prompt-rules FILE.py of run (--rules of prompts)"


class NoTemplate(InputError):
    """The text is no template: `message` says why, `line` where."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(f"not a template: {message} (line {line})")
        self.message = message
        self.line = line


class TemplateFailed(ValueError):
    """The template makes no text of these values; the message says why, without file and line."""


class Template:
    """Text with `{{ variable }}` in it. None renders as nothing, nothing is escaped.

    Sandboxed: attributes that start with an underscore are refused, values can't be changed, other files can't be
    read. `rules` are further filters, `functions` what may be called by name. Raises `NoTemplate`.
    """

    __slots__ = ("_render", "called", "optional", "text", "variables")

    def __init__(
        self,
        text: str,
        *,
        rules: Mapping[str, Rule] | None = None,
        functions: Mapping[str, Callable[..., Any]] | None = None,
    ) -> None:
        # Imported here: most runs have no template, and start-up time is part of the product.
        from jinja2 import TemplateSyntaxError, meta, nodes

        environment = _environment(rules or {}, functions or {})
        try:
            tree = environment.parse(text)
            _check(tree)
            self._render: Callable[[Mapping[str, Any]], str] = environment.from_string(tree).render
        except TemplateSyntaxError as error:
            message = error.message or ""
            hint = _OWN_FILTERS if message.startswith("No filter named") else ""
            raise NoTemplate(message + hint, error.lineno) from error
        except (RecursionError, MemoryError, OverflowError) as error:
            raise NoTemplate("it is nested too deeply", 1) from error
        self.text = text
        self.called = frozenset(functions or ()) & {name.name for name in tree.find_all(nodes.Name)}
        """Of `functions` those that it uses."""
        known = environment.globals.keys()
        self.variables: tuple[str, ...] = tuple(sorted(meta.find_undeclared_variables(tree) - known))
        """What it names, in alphabetical order."""
        self.optional: frozenset[str] = frozenset(_optional(tree)) & set(self.variables)
        """Of them those that may be missing: each use has a `default`, or the template asks whether it is defined."""

    def missing(self, given: Collection[str]) -> list[str]:
        """The variables that are not given and that it can't do without."""
        return [name for name in self.variables if name not in given and name not in self.optional]

    def render(self, values: Mapping[str, Any]) -> str:
        """The text. Raises `TemplateFailed` for an error inside the template."""
        from jinja2 import TemplateError

        try:
            return self._render(values)
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


def _environment(rules: Mapping[str, Rule], functions: Mapping[str, Callable[..., Any]]) -> Any:
    from jinja2 import StrictUndefined
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Environment(ImmutableSandboxedEnvironment):
        intercepted_binops = frozenset(("*", "**"))

        def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
            _check_size(operator, left, right)
            return super().call_binop(context, operator, left, right)

    environment = Environment(
        undefined=StrictUndefined, autoescape=False, keep_trailing_newline=True, finalize=_blank_none
    )
    environment.filters.update({**RULES, **{name: _named(name, rule) for name, rule in rules.items()}})
    environment.globals.update(functions)
    return environment


def _named(name: str, rule: Rule) -> Rule:
    """The rule, whose errors say that they are its own, whatever it raises."""

    @functools.wraps(rule)
    def named(*args: Any, **more: Any) -> Any:
        try:
            return rule(*args, **more)
        except Exception as error:
            raise TemplateFailed(f"the rule {name}: {type(error).__name__}: {error}") from error

    return named


def _check_size(operator: str, left: Any, right: Any) -> None:
    """One multiplication must not fill the memory."""
    from jinja2.exceptions import SecurityError

    if operator == "**":
        if not all(isinstance(side, int | float) and abs(side) <= _MOST_POWER for side in (left, right)):
            raise SecurityError("the power is too large")
        return
    for many, times in ((left, right), (right, left)):
        if isinstance(many, str | bytes | list | tuple) and isinstance(times, int) and len(many) * times > _MOST_ITEMS:
            raise SecurityError("the repetition is too long")


def _check(tree: nodes.Template) -> None:
    from jinja2 import TemplateSyntaxError, nodes

    for node in tree.find_all((nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends)):
        raise TemplateSyntaxError("include, import and extends: a template is whole by itself", node.lineno)


def _optional(tree: nodes.Template) -> Iterator[str]:
    """Names whose every use has a default, and those that the template asks about."""
    from jinja2 import nodes

    asked = {
        test.node.name
        for test in tree.find_all(nodes.Test)
        if test.name in ("defined", "undefined") and isinstance(test.node, nodes.Name)
    }
    guarded = [
        id(use.node)
        for use in tree.find_all(nodes.Filter)
        if use.name in ("default", "d") and isinstance(use.node, nodes.Name)
    ]
    uses: dict[str, bool] = {}
    for name in tree.find_all(nodes.Name):
        if name.ctx == "load":
            uses[name.name] = uses.get(name.name, True) and id(name) in guarded
    yield from asked
    yield from (name for name, is_guarded in uses.items() if is_guarded)


def _blank_none(value: object) -> object:
    return "" if value is None else value


def _bullets(items: Any, mark: str = "-") -> str:
    """One line for each item, behind a mark."""
    return "\n".join(f"{mark} {item}" for item in _listed(items))


def _numbered(items: Any, start: int = 1) -> str:
    """One line for each item, behind its number."""
    return "\n".join(f"{number}. {item}" for number, item in enumerate(_listed(items), start))


def _listed(items: Any) -> list[Any]:
    if isinstance(items, str) or not hasattr(items, "__iter__"):
        raise TypeError(f"expected a list of items, got {items!r:.60}")
    return list(items)


def _json(value: Any, indent: int = 0) -> str:
    """As JSON, in this order, as letters rather than escapes."""
    return msgspec.json.format(msgspec.json.encode(value), indent=indent).decode()


RULES: Mapping[str, Rule] = {"bullets": _bullets, "numbered": _numbered, "json": _json}
"""The filters that every prompt has besides Jinja's own."""
