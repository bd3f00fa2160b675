"""A model becomes the targets that the documentation says, and an unknown one comes with suggestions."""

import pytest

from penstock.config import parse_config, resolve
from penstock.errors import ConfigError

KNOWN = ("openai", "together", "sim", "ollama")
PLAIN = parse_config({})
MINE = parse_config({"default_provider": "mine", "providers": {"mine": {"base_url": "http://127.0.0.1:8000/v1"}}})
ROUTED = parse_config({"routes": {"default": {"targets": ["openai/a", "sim/b"]}, "fast": {"targets": ["sim/fast"]}}})


def names(config, models):
    return [str(target) for target in resolve(config, models, KNOWN).targets]


@pytest.mark.parametrize(
    ("config", "models", "targets"),
    [
        (PLAIN, "openai/gpt-4o-mini", ["openai/gpt-4o-mini"]),
        (PLAIN, "together/meta-llama/Llama-3.3-70B", ["together/meta-llama/Llama-3.3-70B"]),
        (PLAIN, ["sim/fast", "openai/a"], ["sim/fast", "openai/a"]),
        (PLAIN, "gpt-4o-mini", ["openai/gpt-4o-mini"]),
        (MINE, "meta-llama/Llama-3", ["mine/meta-llama/Llama-3"]),
        (MINE, "gpt-4o-mini", ["mine/gpt-4o-mini"]),
        (MINE, "mine/x", ["mine/x"]),
        (MINE, "together/x", ["together/x"]),
        (ROUTED, None, ["openai/a", "sim/b"]),
        (ROUTED, [], ["openai/a", "sim/b"]),
        (ROUTED, "fast", ["sim/fast"]),
        (ROUTED, ["fast"], ["sim/fast"]),
    ],
)
def test_models_become_targets(config, models, targets):
    assert names(config, models) == targets


def test_a_target_is_cut_at_the_first_slash():
    (target,) = resolve(PLAIN, "together/a/b", KNOWN).targets
    assert (target.provider, target.model) == ("together", "a/b")


def test_a_route_brings_its_settings_and_targets_bring_none():
    assert resolve(ROUTED, "fast", KNOWN).route.name == "fast"
    assert resolve(ROUTED, "sim/fast", KNOWN).route is None


@pytest.mark.parametrize(
    ("config", "models", "message"),
    [
        (PLAIN, None, "no model: name one"),
        (PLAIN, "opnai/gpt-4o", 'unknown provider "opnai" in "opnai/gpt-4o"; did you mean openai?'),
        (PLAIN, "meta-llama/Llama-3", "known: ollama, openai, sim, together.*default_provider"),
        (PLAIN, "replicate/claude-x", 'unknown provider "replicate"'),
        (PLAIN, "openai/", '"openai/" names no model'),
        (PLAIN, "together", '"together" names no model: write "together/MODEL"'),
        (PLAIN, "openai", 'names no model: write "openai/MODEL"'),
        (PLAIN, "", "a model is text"),
        (PLAIN, 3, "a model is text, or a list of it, not 3"),
        (PLAIN, {"a": 1}, "a model is text, or a list of it"),
        (PLAIN, [["sim/a"]], r"a model is text such as .*, not \['sim/a'\]"),
        (PLAIN, ["sim/a", 3], "a model is text such as .*, not 3"),
        (PLAIN, ["sim/fast", "openai/a", "sim/fast"], '^"sim/fast" is named twice'),
        (PLAIN, ["openai/gpt-4o", "gpt-4o"], '"openai/gpt-4o" and "gpt-4o" are the same target, openai/gpt-4o'),
        (ROUTED, ["fast", "openai/a"], '"fast" is a route: name it alone'),
        (
            parse_config({"default_provider": "opnai"}),
            "x",
            'default_provider: unknown provider "opnai"; did you mean "openai"',
        ),
        (
            parse_config({"routes": {"r": {"targets": ["opnai/x"]}}}),
            "r",
            r'\[routes.r\] targets: unknown provider "opnai"',
        ),
        (
            parse_config({"routes": {"r": {"targets": ["gpt-4o", "openai/gpt-4o"], "hedge": "auto"}}}),
            "r",
            r'\[routes.r\] targets: "gpt-4o" and "openai/gpt-4o" are the same target',
        ),
    ],
)
def test_what_is_unknown_comes_with_suggestions(config, models, message):
    with pytest.raises(ConfigError, match=message):
        names(config, models)
