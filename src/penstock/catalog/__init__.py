"""The providers that penstock knows, and what is known about models by their names. Import it only when used."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

from penstock.catalog.table import VENDORS
from penstock.catalog.vendor import Ambient, LimitDialect, Prefill, SchemaMode, Setting, Vendor

__all__ = [
    "Ambient",
    "LimitDialect",
    "Prefill",
    "SchemaMode",
    "Setting",
    "Vendor",
    "is_reasoning",
    "most_inputs",
    "prefills",
    "providers",
    "schema_mode",
    "vendor",
]

_PROVIDERS: Mapping[str, Vendor] = MappingProxyType({known.name: known for known in VENDORS})


def providers() -> Mapping[str, Vendor]:
    """Every known provider by name, in the order in which they are worth listing."""
    return _PROVIDERS


def vendor(name: str) -> Vendor:
    """The provider called `name`, in any case. Raises `KeyError` with that name when it isn't known."""
    return _PROVIDERS[name.lower()]


@cache
def _reasoning_names() -> re.Pattern[str]:
    return re.compile(
        r"""(?:^|[/:._-])(?:
            o[134](?:-(?:mini|pro|preview|deep-research))?(?=$|[-:@]) | gpt-5(?!\S*chat) | gpt-oss |
            deepseek-(?:reasoner|r\d) | r1(?=$|[-:]) | qwq | magistral |
            grok-(?:3-mini|4(?!\S*non-reasoning)|code) | glm-(?:4\.[5-9]|[5-9]) | minimax-m\d | kimi-k2-thinking |
            sonar-(?:reasoning|deep-research) | claude-\S*thinking | \S*-(?:thinking|reasoning)(?=$|[-:])
        )""",
        re.VERBOSE | re.IGNORECASE,
    )


@cache
def _is_reasoning(model: str) -> bool:
    return _reasoning_names().search(model) is not None and "non-reasoning" not in model


def is_reasoning(model: str) -> bool:
    """Whether `model` is known, by its name, to think before it writes: its first token may take minutes."""
    return len(model) <= 200 and _is_reasoning(model)


def prefills(vendor: Vendor, model: str) -> bool:
    """Whether `model` of `vendor` continues an assistant message at the end of a chat.

    A reasoning model doesn't, whoever serves it: its template wants the thoughts first, or refuses.
    """
    return vendor.prefill is not None and not is_reasoning(model) and re.match(vendor.prefill_models, model) is not None


def most_inputs(vendor: Vendor, model: str) -> int | None:
    """The most inputs that `model` of `vendor` embeds in one request; None where no limit is known."""
    return next((most for pattern, most in vendor.embedding_inputs if re.match(pattern, model)), None)


def schema_mode(vendor: Vendor, model: str) -> SchemaMode:
    """What `model` of `vendor` takes of a `response_format` with a schema."""
    return next((mode for pattern, mode in vendor.schema_modes if re.match(pattern, model)), "schema")
