"""What a scenario can say, as values, and how it is read from TOML or JSON. docs/simulator.md explains each key."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from importlib import resources
from typing import Annotated, Any, Final, Literal, TypeVar

import msgspec

from penstock.errors import ConfigError
from penstock.simulator.distributions import Distribution, Exponential, Lognormal, Normal, Uniform

__all__ = [
    "FAULTS",
    "PLAIN",
    "Behaviour",
    "Fault",
    "FaultKind",
    "FaultName",
    "Limits",
    "Scenario",
    "Slow",
    "builtin_models",
    "load_scenario",
    "parse_scenario",
]

Positive = Annotated[float, msgspec.Meta(gt=0)]
NotNegative = Annotated[float, msgspec.Meta(ge=0)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Count = Annotated[int, msgspec.Meta(ge=1)]
Status = Annotated[int, msgspec.Meta(ge=200, le=599)]

FaultName = Literal[
    "status",
    "reset",
    "close",
    "hang",
    "empty_body",
    "empty_answer",
    "content_filter",
    "unfit_answer",
    "fenced_answer",
    "html",
    "error_in_200",
    "invalid_json",
    "oversized_body",
    "truncated_body",
    "reset_mid_body",
    "hang_mid_body",
    "slow_drip",
    "malformed_event",
    "stream_error",
    "cut_stream",
    "no_done",
]


class FaultKind(msgspec.Struct, frozen=True):
    """Which calls a fault can meet, and which settings besides the common ones it reads."""

    unary: bool = True
    streamed: bool = True
    reads: frozenset[str] = frozenset()


def _reads(*names: str) -> frozenset[str]:
    return frozenset(names)


FAULTS: Final[dict[FaultName, FaultKind]] = {
    "status": FaultKind(reads=_reads("status", "retry_after_s", "message")),
    "reset": FaultKind(),
    "close": FaultKind(),
    "hang": FaultKind(),
    "empty_body": FaultKind(),
    "empty_answer": FaultKind(),
    "content_filter": FaultKind(reads=_reads("after")),
    "unfit_answer": FaultKind(reads=_reads("message")),
    "fenced_answer": FaultKind(),
    "html": FaultKind(reads=_reads("status", "retry_after_s")),
    "error_in_200": FaultKind(reads=_reads("message")),
    "invalid_json": FaultKind(streamed=False, reads=_reads("after")),
    "oversized_body": FaultKind(reads=_reads("megabytes")),
    "truncated_body": FaultKind(reads=_reads("after")),
    "reset_mid_body": FaultKind(reads=_reads("after")),
    "hang_mid_body": FaultKind(reads=_reads("after")),
    "slow_drip": FaultKind(reads=_reads("piece_bytes", "interval_s")),
    "malformed_event": FaultKind(unary=False, reads=_reads("after")),
    "stream_error": FaultKind(unary=False, reads=_reads("after", "message")),
    "cut_stream": FaultKind(unary=False, reads=_reads("after")),
    "no_done": FaultKind(unary=False),
}


class Fault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something that goes wrong, for whom, when and how often. Seconds count from the scenario's start."""

    fault: FaultName
    probability: Share = 1.0
    from_s: NotNegative = 0.0
    until_s: NotNegative | None = None
    first_tries: Count | None = None
    """Only the first so many requests with the same body; later ones pass."""
    prompt_contains: str | None = None
    """Only requests whose last user message contains this."""
    status: Status | None = None
    retry_after_s: NotNegative | None = None
    message: str | None = None
    after: Share = 0.5
    """The part of the answer that comes before it breaks."""
    megabytes: Annotated[int, msgspec.Meta(ge=1, le=4096)] = 200
    piece_bytes: Count = 16
    interval_s: NotNegative = 0.05


class Slow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A share of the requests takes `factor` times as long, to the first token and between tokens."""

    share: Share
    factor: Positive = 10.0


class Limits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is enforced, per key and model or per model."""

    rpm: Count | None = None
    tpm: Count | None = None
    concurrency: Count | None = None
    kind: Literal["token_bucket", "fixed_window", "sliding_window"] = "token_bucket"
    window_s: Positive = 60.0
    """Windows shorter than a minute allow their share of the minute's limit."""
    burst: Share = 1.0
    """How much of the minute's limit a token bucket holds."""
    per: Literal["key", "model"] = "key"
    charge: Literal["reserved", "used"] = "reserved"
    """Tokens at admission: the prompt and max_tokens, or the prompt and what the answer will have."""
    headers: bool = True
    retry_after: bool = True
    concurrency_status: Status = 429


class Behaviour(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How one model behaves. Without any setting it answers at once."""

    ttft_s: Distribution = 0.0
    tokens_per_s: Distribution | None = None
    """None: all of the answer comes with its first token."""
    output_tokens: Distribution | None = None
    """None: the echo of the prompt."""
    reasoning_tokens: Distribution | None = None
    """What a chat is thought over before the answer; None: not at all."""
    tool_calls: Annotated[int, msgspec.Meta(ge=1, le=128)] = 1
    """How many calls are made at once where a tool is demanded: of each of them in turn."""
    slow: Slow | None = None
    limits: Limits | None = None
    faults: tuple[Fault, ...] = ()
    context_tokens: Count | None = None
    """A longer prompt is refused as the provider would."""
    dimensions: Annotated[int, msgspec.Meta(ge=1, le=65536)] = 8
    """Of an embedding, when the request doesn't say."""
    prefill: Literal["continue", "echo", "restart", "refuse"] = "continue"
    """What an assistant's message at the end of a request leads to: the rest of the answer, the message and then the
    rest, the answer from its beginning, or 400."""

    @property
    def only_waits(self) -> bool:
        """Every request is answered in full with the echo, at most later."""
        return (
            self.tokens_per_s is None
            and self.output_tokens is None
            and self.reasoning_tokens is None
            and self.limits is None
            and self.context_tokens is None
            and not self.faults
        )


class Scenario(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Every model's behaviour: the first pattern that matches counts, in the order of the file."""

    keys: tuple[str, ...] | None = None
    """The accepted ones; None: any, or none at all."""
    out_of_quota: tuple[str, ...] = ()
    models: dict[str, Behaviour] = {}

    def behaviour(self, provider: str, model: str) -> Behaviour:
        """The behaviour of `model`: patterns are tried on "provider/model" and on "model", then the built-in ones."""
        full = f"{provider}/{model}"
        for models in (self.models, builtin_models()):
            for pattern, behaviour in models.items():
                if fnmatchcase(full, pattern) or fnmatchcase(model, pattern):
                    return behaviour
        return PLAIN


PLAIN: Final = Behaviour()
_STRUCTS: Final = (Scenario, Behaviour, Limits, Slow, Fault, Uniform, Lognormal, Normal, Exponential)
_FIELDS: Final = sorted({name for struct in _STRUCTS for name in struct.__struct_fields__} | {"kind"})
_VALUES: Final = (
    *FAULTS,
    *("uniform", "lognormal", "normal", "exponential"),
    *("token_bucket", "fixed_window", "sliding_window"),
    *("key", "model", "reserved", "used"),
    *("continue", "echo", "restart", "refuse"),
)
_COMMON: Final = frozenset(("fault", "probability", "from_s", "until_s", "first_tries", "prompt_contains"))
_UNKNOWN_FIELD: Final = re.compile(r"unknown field `([^`]*)`")
_UNKNOWN_VALUE: Final = re.compile(r"Invalid (?:enum )?value '([^']*)'")
_builtin: dict[str, Behaviour] = {}


def builtin_models() -> Mapping[str, Behaviour]:
    """The models that exist without a scenario: fast, typical, slow_tail, flaky, limited, broken."""
    if not _builtin:
        text = resources.files("penstock.simulator").joinpath("builtin.toml").read_text("utf-8")
        _builtin.update(parse_scenario(text, "builtin.toml").models)
    return _builtin


def load_scenario(path: str) -> Scenario:
    """The scenario in a TOML or JSON file. Raises `ConfigError` naming file, key and the nearest known key."""
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except OSError as error:
        raise ConfigError(f"--scenario: cannot read {path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"--scenario: cannot read {path}: not UTF-8 at byte {error.start}") from error
    return parse_scenario(text, path)


def parse_scenario(text: str, name: str = "scenario") -> Scenario:
    """The scenario in a text: JSON when it begins with a brace, else TOML. Raises `ConfigError`."""
    try:
        raw = msgspec.json.decode(text) if text.lstrip().startswith("{") else tomllib.loads(text)
    except (tomllib.TOMLDecodeError, msgspec.DecodeError) as error:
        raise ConfigError(f"{name}: {error}") from error
    models = raw.get("models", {})
    if not isinstance(models, dict):
        raise ConfigError(f'{name}: models is a table of patterns, such as [models."gpt-*"]')
    behaviours = {
        pattern: _converted(behaviour, Behaviour, f"{name}: models.{pattern!r}")
        for pattern, behaviour in models.items()
    }
    _check_faults(models, name)
    rest = {key: value for key, value in raw.items() if key != "models"}
    return msgspec.structs.replace(_converted(rest, Scenario, name), models=behaviours)


_T = TypeVar("_T")


def _converted(raw: Any, into: type[_T], where: str) -> _T:
    try:
        return msgspec.convert(raw, into)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{where}: {error}{_hint(str(error))}") from error


def _hint(message: str) -> str:
    found = _UNKNOWN_FIELD.search(message)
    if found is None:
        value = _UNKNOWN_VALUE.search(message)
        return "" if value is None else _nearest(value[1], _VALUES)
    return ", which has its meaning elsewhere" if found[1] in _FIELDS else _nearest(found[1], _FIELDS)


def _nearest(word: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(word, list(known), 1, 0.0)
    return f"; the nearest known one is `{near[0]}`" if near else ""


def _check_faults(models: Mapping[str, Any], name: str) -> None:
    for pattern, behaviour in models.items():
        for number, fault in enumerate(behaviour.get("faults", ())):
            reads = FAULTS[fault["fault"]].reads
            for key in fault:
                if key not in reads and key not in _COMMON:
                    others = ", ".join(sorted(reads)) or "none"
                    raise ConfigError(
                        f"{name}: models.{pattern!r}.faults[{number}]: {fault['fault']} does not read `{key}` "
                        f"(its own settings: {others})"
                    )
