"""`--prompt @NAME`: a library's prompt as a run asks it, kept whole in the journal so that a resume asks the same."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from penstock.batch.template import Asked, Asker, PromptTemplate, TemplateFailed
from penstock.errors import InputError
from penstock.prompts import LATEST, Prompt, PromptLibrary, Rule, Rules, Split, read_prompt_file, read_rules

__all__ = ["LIBRARY", "PromptPlan", "RulesFile", "asker_of", "plan_of"]

LIBRARY: Final = "prompts"
"""The folder of the prompts unless another is named."""

_REFERENCE: Final = re.compile(r"@([^\s@{}]+)(?:@([^{}]+))?")


class RulesFile(msgspec.Struct, frozen=True):
    """Where a run's rules are. Another hash means other rules, and so another prompt."""

    path: str
    hash: str


class PromptPlan(msgspec.Struct, frozen=True):
    """The versions that a run asks, and how its rows are divided among them."""

    name: str
    arms: dict[str, dict[str, Any]]
    """Each version whole (`Prompt.to_dict`), by its own name."""
    weights: dict[str, float] = {}
    split_by: str | None = None
    """The column that says whose row it is; None where there is one arm."""
    rules: RulesFile | msgspec.UnsetType = msgspec.UNSET

    def said(self, prompt: str) -> str:
        """`--prompt` for who goes on with the run: the one version that was asked, whatever comes after it."""
        is_fixed = self.split_by is not None or _is_file(prompt)
        return prompt if is_fixed else f"@{self.name}@{next(iter(self.arms))}"

    def __str__(self) -> str:
        shares = [f"{arm} ({self.weights[arm]:g})" if self.weights else arm for arm in self.arms]
        return f"{self.name}@{', '.join(shares)}" + (f", split by {self.split_by}" if self.split_by else "")


def plan_of(
    prompt: str | None, *, library: str | None, split_by: str | None, rules: str | None = None
) -> str | PromptPlan | None:
    """What `--prompt` means: an inline template as it is, or `@NAME`, `@NAME@VERSION`, `@FILE.md` as a plan.

    Raises `InputError` that names what there is.
    """
    found = _REFERENCE.fullmatch(prompt.strip()) if prompt is not None else None
    if found is None:
        options = {"--prompt-library": library, "--split-by": split_by, "--prompt-rules": rules}
        for option, value in options.items():
            if value is not None:
                raise InputError(f'{option}: it goes with a prompt of a library, --prompt "@NAME"')
        return prompt
    name, wanted = found.groups()
    if split_by is not None and wanted is not None:
        raise InputError("--split-by: the weights in the files say who gets which version; leave @VERSION out")
    own = None if rules is None else read_rules(rules)
    if _is_file(name):
        arms = [_whole_file(name, wanted, library, split_by, own)]
    else:
        arms = _versions(name, wanted, library, split_by, own)
    for arm in arms:
        if arm.uses_clock:
            raise InputError(
                f"--prompt: {arm} says now(): a run that resumes would ask something else; make it a column, "
                "or a default of the prompt"
            )
    weights = {arm.version: arm.weight or 0.0 for arm in arms} if split_by is not None else {}
    where = msgspec.UNSET if own is None else RulesFile(own.path, own.hash)
    return PromptPlan(arms[0].name, {arm.version: arm.to_dict() for arm in arms}, weights, split_by, where)


def _is_file(name: str) -> bool:
    return name.rstrip().endswith(".md")


def _whole_file(
    name: str, wanted: str | None, library: str | None, split_by: str | None, rules: Rules | None
) -> Prompt:
    if wanted is not None or library is not None or split_by is not None:
        raise InputError(f"--prompt: {name} is one file: a version, --prompt-library or --split-by go with a name")
    return read_prompt_file(Path(name), rules=rules.functions if rules else None)


def _versions(
    name: str, wanted: str | None, library: str | None, split_by: str | None, rules: Rules | None
) -> list[Prompt]:
    folder = Path(library or LIBRARY)
    if library is None and not folder.is_dir():
        raise InputError(f'--prompt: no folder "{LIBRARY}" here to find @{name} in; --prompt-library names another')
    opened = PromptLibrary(folder, rules=rules.functions if rules else None, reload=False)
    if split_by is None:
        return [opened.get(name, wanted or LATEST)]
    arms = [prompt for prompt in opened.versions(name) if prompt.weight]
    if not arms:
        raise InputError(f'--split-by: no version of "{name}" has a weight above 0')
    return arms


def asker_of(prompt: str | PromptPlan | Mapping[str, Any] | None) -> Asker | None:
    """What asks the rows: of an inline template, a plan, or a plan that a journal kept. Raises `InputError`."""
    if prompt is None:
        return None
    if isinstance(prompt, str):
        return PromptTemplate(prompt)
    if not isinstance(prompt, PromptPlan):
        try:
            prompt = msgspec.convert(prompt, PromptPlan)
        except msgspec.ValidationError as error:
            raise InputError(f"the journal's prompt can't be read: {error}") from error
    return _Library(prompt)


def _same_rules(said: RulesFile) -> Mapping[str, Rule]:
    """The rules that the plan was made with; a journal keeps their hash alone, for it is no place for code to run."""
    found = read_rules(said.path)
    if found.hash != said.hash:
        raise InputError(f"{said.path} was changed since; other rules go into another file")
    return found.functions


class _Library:
    """Makes a row's request with a library's prompt: its columns are the variables, those it doesn't name are left."""

    def __init__(self, plan: PromptPlan) -> None:
        self.text = msgspec.json.encode(plan).decode()
        rules = None if plan.rules is msgspec.UNSET else _same_rules(plan.rules)
        self._arms = {version: Prompt.of_dict(arm, rules=rules) for version, arm in plan.arms.items()}
        self._only = next(iter(self._arms.values())) if plan.split_by is None else None
        self._split = Split(plan.weights, salt=plan.name) if plan.split_by is not None else None
        self.split_by = plan.split_by
        of_arms = {name for arm in self._arms.values() for name in arm.variables}
        self.variables: tuple[str, ...] = tuple(sorted(of_arms | ({plan.split_by} if plan.split_by else set())))
        self._required = sorted({name for arm in self._arms.values() for name in arm.required})
        # What doesn't differ from row to row is read once.
        self._params = {version: _settings_of(arm) for version, arm in self._arms.items()}

    def missing(self, columns: Collection[str]) -> list[str]:
        needed = [*filter(None, [self.split_by]), *self._required]
        return [name for name in needed if name not in columns]

    def ask(self, columns: Mapping[str, Any]) -> Asked:
        try:
            arm = self._arm(columns)
            values = {name: columns[name] for name in arm.variables if name in columns}
            rendered = arm.render(values)
        except InputError as error:
            raise TemplateFailed(str(error)) from error
        model, params = self._params[arm.version]
        if rendered.type == "completion":
            return Asked("completion", model, {"prompt": rendered.text, **params}, rendered.source, values)
        return Asked("chat", model, {"messages": list(rendered.messages), **params}, rendered.source, values)

    def _arm(self, columns: Mapping[str, Any]) -> Prompt:
        if self._only is not None:
            return self._only
        assert self._split is not None
        assert self.split_by is not None
        user = columns[self.split_by]
        if user is None or user == "":
            raise TemplateFailed(f'"{self.split_by}": expected whose row it is, got none')
        return self._arms[self._split.arm(str(user))]


def _settings_of(arm: Prompt) -> tuple[str | None, dict[str, Any]]:
    """The model of a prompt's own, and what goes into the body."""
    settings = dict(arm.settings)
    model = settings.pop("model", None)
    if model is not None and not isinstance(model, str):
        raise InputError(f"{arm}: settings: model: a run takes one target or a route, got {model!r:.80}")
    for name in _NOT_IN_A_BODY & settings.keys():
        raise InputError(f"{arm}: settings: {name}: in a run it is an option of the command, or of a route")
    return model, settings


_NOT_IN_A_BODY: Final = frozenset(("cache", "deadline", "hedge", "schema", "system", "tags", "timeouts", "variables"))
