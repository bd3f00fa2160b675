"""Nothing is logged until asked, never a key, and prompts only when asked."""

import io
import logging

import pytest

from penstock.call import Attempt, Call
from penstock.observers.logging import PromptLog, configure_logging, masked, never_show, prompts_wanted

ROOT = logging.getLogger("penstock")


@pytest.fixture(autouse=True)
def restored():
    handlers, level, propagates = list(ROOT.handlers), ROOT.level, ROOT.propagate
    yield
    ROOT.handlers[:], ROOT.propagate = handlers, propagates
    ROOT.setLevel(level)
    logging.getLogger("penstock.prompts").setLevel(logging.NOTSET)


def test_a_program_that_configures_nothing_sees_nothing(capfd):
    logging.getLogger("penstock.race").warning("a warning")
    assert capfd.readouterr().err == ""


def test_lines_have_their_level_and_logger_and_repeat_no_handler():
    stream = io.StringIO()
    configure_logging("info", stream=io.StringIO())
    configure_logging("info", stream=stream)
    logging.getLogger("penstock.race").info("attempt %s", "r-1")
    logging.getLogger("penstock.race").debug("more")
    (line,) = stream.getvalue().splitlines()
    assert line.endswith("INFO penstock.race: attempt r-1")


def test_known_keys_are_masked_in_arguments_and_tracebacks():
    stream = io.StringIO()
    never_show("an-own-format-of-key")
    configure_logging("debug", stream=stream)
    try:
        raise ValueError("with an-own-format-of-key inside")
    except ValueError:
        ROOT.exception("failed with %s", "an-own-format-of-key")
    assert "own-format" not in stream.getvalue()
    assert "failed with [key]" in stream.getvalue()
    assert "ValueError: with [key] inside" in stream.getvalue()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Authorization: Bearer abcdef123456", "Authorization: Bearer [key]"),
        ("sk-proj-abcdef123456 is wrong", "[key] is wrong"),
        ('api_key="abcdef123456"', 'api_key="[key]"'),
        ('write api_key = "env:OPENAI_API_KEY"', 'write api_key = "env:OPENAI_API_KEY"'),
        ("nothing to hide", "nothing to hide"),
    ],
)
def test_what_looks_like_a_key_is_masked(text, shown):
    assert masked(text) == shown


def test_prompts_are_logged_only_when_their_own_logger_is_set():
    stream = io.StringIO()
    configure_logging("debug", stream=stream)
    assert not prompts_wanted()
    configure_logging("debug", stream=stream, prompts=True)
    assert prompts_wanted()
    PromptLog().attempt_started(Call(id="r", model="m", body={"prompt": "told"}), Attempt(id="r-1", target="sim/m"))
    assert "r-1 to sim/m: {'prompt': 'told'}" in stream.getvalue()


def test_an_unknown_level_is_refused():
    with pytest.raises(ValueError, match="unknown log level 'loud'"):
        configure_logging("loud")
