"""What `penstock run` was told, and which of it may not change between a run and its resume."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import msgspec

from penstock.batch.items import Shape
from penstock.batch.prompting import PromptPlan, plan_of
from penstock.errors import InputError
from penstock.schema import Form, form_of

__all__ = ["JobSettings"]


class JobSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One run. Times are seconds."""

    input: str
    output: str
    """A path that ends in .jsonl, .csv or .parquet, or "-"."""
    models: tuple[str, ...] = ()
    """Targets in order of preference, or one route; they override the bodies' own models. Empty: those count."""
    prompt: str | PromptPlan | None = None
    """A template, or `@NAME`, `@NAME@VERSION`, `@FILE.md` for a library's prompt; `with_prompt` looks it up."""
    prompt_library: str | None = None
    """The folder of prompts; None: "prompts"."""
    prompt_rules: str | None = None
    """A Python file of the prompts' own rules."""
    split_by: str | None = None
    """The column that says whose row it is, for prompts whose versions have weights."""
    prompt_said: str | None = None
    """How a library's prompt is asked for again, its version fixed; None for any other."""
    id_column: str | None = None
    system: str | None = None
    params: dict[str, Any] = {}
    schema: dict[str, Any] | None = None
    """The JSON Schema of every chat's answer."""
    schema_file: str | None = None
    """Where it was read, for those who are told of it."""
    reasks: int = 2
    """How often an answer that doesn't fit it is asked again."""
    samples: int = 1
    limit: int | None = None
    """Only the first rows of the input, this many."""
    journal: str | None = None
    skip_bad: bool = False
    retry_failed: bool = False
    keep_answered: bool = False
    fresh: bool = False
    unordered: bool = False
    dedup: bool = True
    cache: bool = True
    """Where the configuration has a cache."""
    concurrency: int | None = None
    rpm: int | None = None
    tpm: int | None = None
    deadline_s: float | None = None
    """From a request's first send."""
    max_attempts: int | None = None
    budget_usd: float | None = None
    """What the run may spend, all its sessions together; None: what the configuration says."""
    hedge: Literal["off", "auto"] | float | None = None
    """A second attempt beside the first, at the next target; None: what the route says."""
    max_elapsed_s: float | None = None
    give_up_after_s: float | None = 900.0
    base_url: str | None = None
    config: str | None = None
    sync: str = "normal"
    quiet: bool = False
    command: str = "penstock run"
    """How the user started it, for the hint that says how to resume."""

    def with_prompt(self) -> JobSettings:
        """The same with a library's prompt looked up. Raises `InputError`."""
        if isinstance(self.prompt, PromptPlan):
            return self
        plan = plan_of(self.prompt, library=self.prompt_library, split_by=self.split_by, rules=self.prompt_rules)
        said = plan.said(self.prompt or "") if isinstance(plan, PromptPlan) else None
        return msgspec.structs.replace(self, prompt=plan, prompt_said=said)

    @property
    def form(self) -> Form | None:
        """What `schema` asks for. Raises `ConfigError` for one that is none."""
        return None if self.schema is None else form_of(self.schema, source=self.schema_file or "--schema")

    @property
    def out(self) -> Path | None:
        """None for standard output."""
        return None if self.output == "-" else Path(self.output)

    @property
    def journal_file(self) -> Path | None:
        if self.journal is not None:
            return Path(self.journal)
        return None if self.out is None else self.out.with_name(self.out.name + ".penstock")

    @property
    def shape(self) -> Shape:
        return Shape(
            samples=self.samples,
            system=self.system,
            params=self.params,
            response_format=None if (form := self.form) is None else form.response_format,
            one_model=bool(self.models),
            apart=not self.dedup,
        )

    def check(self) -> None:
        """Raises `InputError` for options that can't be meant."""
        if self.out is not None and self.out.suffix not in _OUTPUTS:
            raise InputError(f'{self.output}: expected a name that ends in {", ".join(_OUTPUTS)}, or "-"')
        if self.out is not None and self.input != "-" and _same(Path(self.input), self.out):
            raise InputError(f"{self.output}: the output can't be the input itself")
        if self.unordered and (self.out is None or self.out.suffix != ".jsonl"):
            raise InputError("--unordered: expected an OUT that ends in .jsonl")
        if self.fresh and self.keep_answered:
            raise InputError("--fresh starts anew, --keep-answered goes on: expected one of them")
        if self.out is None and (self.retry_failed or self.fresh or self.keep_answered or self.journal):
            raise InputError("-o -: without a journal there is nothing to resume or retry; name a file as OUT")
        if self.out is not None and self.out.suffix != ".jsonl" and self.input == "-":
            raise InputError(f"{self.output}: a table repeats the input's rows, and a pipe can't be read twice")
        if self.out is not None and self.out.suffix != ".jsonl" and self.samples > 1:
            raise InputError("--samples: expected an OUT that ends in .jsonl; a table has one answer a row")

    def lasting(self) -> dict[str, Any]:
        """What shapes the answers: a resume with other values would mix two runs in one file."""
        return {
            "models": list(self.models),
            "prompt": msgspec.to_builtins(self.prompt),
            "system": self.system,
            "params": self.params,
            "schema": self.schema,
        }

    def told(self) -> dict[str, Any]:
        """What a journal keeps of a run, for those who look at it and for its resume."""
        # Options that say where something is: a resume without them finds another journal, server or route.
        # An address with a password in it is nothing to keep.
        address = None if "@" in (self.base_url or "") else self.base_url
        places = {"journal": self.journal, "base_url": address, "config": self.config}
        places |= {"prompt": self.prompt_said, "prompt_library": self.prompt_library, "split_by": self.split_by}
        places |= {"schema": self.schema_file, "prompt_rules": self.prompt_rules}
        places["budget"] = None if self.budget_usd is None else f"{self.budget_usd:.12g}"
        return {
            "input": self.input,
            "output": self.output,
            "settings": self.lasting(),
            "places": {name: place for name, place in places.items() if place is not None},
        }


_OUTPUTS = (".jsonl", ".csv", ".parquet")


def _same(one: Path, other: Path) -> bool:
    return one.exists() and other.exists() and one.samefile(other)
