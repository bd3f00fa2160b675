"""A Python file of rules: which of its functions are rules, and what a bad file says."""

from __future__ import annotations

from pathlib import Path

import pytest

from penstock import Client
from penstock.errors import InputError
from penstock.prompts import Prompt, read_rules


def test_each_function_of_the_file_is_a_rule_but_those_with_an_underscore_and_imported_ones(tmp_path: Path) -> None:
    path = tmp_path / "rules.py"
    path.write_text("from textwrap import indent\ndef shout(text): return text.upper()\ndef _no(text): ...\nX = 3\n")
    rules = read_rules(path)
    assert list(rules.functions) == ["shout"]
    assert Prompt("{{ text | shout }}", rules=rules.functions).render(text="moon").text == "MOON"
    path.write_text("__all__ = ['indent']\n" + path.read_text())
    assert list(read_rules(path).functions) == ["indent"]
    assert read_rules(path).hash != rules.hash


def test_a_filter_that_is_missing_leads_to_rules() -> None:
    with pytest.raises(InputError, match=r"No filter named 'shout'.*rules.*--prompt-rules"):
        Prompt("{{ text | shout }}")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("x = 1\ndef f(:\n", "rules.py:2: invalid syntax"),
        ("x = 1\n\n1 / 0\n", "rules.py:3: ZeroDivisionError: division by zero"),
        ("import nowhere_at_all\n", "rules.py:1: ModuleNotFoundError"),
        ("import sys\nsys.exit(3)\n", "rules.py:2: SystemExit: 3"),
        ("x = 1\n", "rules.py: no rules in it"),
        ("__all__ = ['f']\n", 'rules.py: __all__: "f" is no function of the file'),
        ("__all__ = 5\n", "rules.py: __all__: expected names of functions"),
    ],
)
def test_a_bad_file_is_told_with_its_line(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "rules.py").write_text(text)
    with pytest.raises(InputError, match=says):
        read_rules(tmp_path / "rules.py")


def test_what_is_no_file_of_rules_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none.py: can't be read: No such file"):
        read_rules(tmp_path / "none.py")
    with pytest.raises(InputError, match=r"rules.txt: expected a Python file"):
        read_rules("rules.txt")


class Odd(Exception):
    """Of no kind that a template would raise."""


def fails(value: object) -> str:
    raise Odd("no such word")


async def later(value: object) -> str:
    return str(value)


def test_whatever_a_rule_raises_is_the_prompts_error_and_names_the_rule() -> None:
    prompt = Prompt("{{ text | f }}", name="t", version="1", defaults={"text": "moon"}, rules={"f": fails})
    with pytest.raises(InputError, match="t@1: the prompt's template fails: the rule f: Odd: no such word") as caught:
        prompt.render()
    assert isinstance(caught.value.__cause__, Exception)
    with Client("sim/fast", config={}) as client:
        answers = list(client.map([prompt, "moon"]))
    assert ["Odd" in str(answer.error) for answer in answers] == [True, False]


@pytest.mark.parametrize(("rule", "got"), [(3, "3"), (later, "an async one"), (None, "None")])
def test_what_is_no_rule_is_refused(rule: object, got: str) -> None:
    with pytest.raises(InputError, match=f"rules: f: expected a function of a value, got {got}"):
        Prompt("{{ text | f }}", rules={"f": rule})  # type: ignore[dict-item]
