"""A folder of prompts: what is found, what is refused, and what a change does."""

from __future__ import annotations

import logging
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from penstock.errors import InputError
from penstock.prompts import PromptLibrary, read_prompt

GOOD = """---
name: translate
version: 1.2.0
type: chat
description: Translates.
defaults:
  language: German
settings: {model: openai/gpt-4o-mini, temperature: 0.2}
max_prompt_tokens: 4000
weight: 10
metadata: {owner: docs}
---

system:
You translate.

user:
moon
assistant:
Mond
User:

To {{ language }}:
{{ text }}

"""


def write(folder: Path, name: str, text: str) -> Path:
    """As editors do: another file in its place, so that even one written in the same moment is seen."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(path.name + ".new")
    new.write_text(text, encoding="utf-8")
    os.replace(new, path)
    return path


def version(number: str, text: str = "{{ text }}", **fields: object) -> str:
    more = "".join(f"{name}: {value}\n" for name, value in fields.items())
    return f'---\nname: translate\nversion: "{number}"\n{more}---\n{text}\n'


def test_a_file_says_everything_of_a_prompt() -> None:
    prompt = read_prompt(GOOD)
    assert str(prompt) == "translate@1.2.0"
    assert (prompt.description, prompt.max_prompt_tokens, prompt.weight) == ("Translates.", 4000, 10)
    assert (prompt.metadata, prompt.settings["model"]) == ({"owner": "docs"}, "openai/gpt-4o-mini")
    assert prompt.templates == (
        ("system", "You translate."),
        ("user", "moon"),
        ("assistant", "Mond"),
        ("user", "To {{ language }}:\n{{ text }}"),
    )


def test_a_file_without_front_matter_is_a_prompt_of_its_own_name(tmp_path: Path) -> None:
    write(tmp_path, "mail/greet.md", "Greet {{ name }}.\nuser:\nstays text")
    prompt = PromptLibrary(tmp_path).get("mail/greet")
    assert (str(prompt), prompt.templates) == (
        "mail/greet@1.0.0",
        (("user", "Greet {{ name }}.\nuser:\nstays text"),),
    )


def test_sections_are_no_matter_of_completions() -> None:
    text = "---\ntype: completion\n---\nuser:\n{{ q }}\nassistant:\n"
    assert read_prompt(text).templates == (("prompt", "user:\n{{ q }}\nassistant:"),)


def test_windows_lines_and_a_mark_at_the_beginning_are_read(tmp_path: Path) -> None:
    (tmp_path / "p.md").write_bytes(b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode())
    assert PromptLibrary(tmp_path).get("translate").hash == read_prompt(GOOD).hash


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("---\nname: a\n", r"p:1: the front matter begins with .* no second"),
        ("---\nname: [a\n---\nx", r"p:3: front matter: not YAML|p:2: front matter: not YAML"),
        ("---\n- a\n---\nx", "p:2: front matter: expected fields"),
        ("---\nname: a\nvarsion: 1\n---\nx", 'p:3: unknown field "varsion"; the fields are: name, version'),
        ("---\nname: a\nname: b\n---\nx", "p:3: name: it is there twice"),
        ("---\nname: a b\n---\nx", "p:2: name: expected letters"),
        ("---\nname: 7\n---\nx", "p:2: name: expected letters"),
        ("---\nversion: 1.10\n---\nx", "p:2: version: write it in quotes"),
        ("---\nversion: new\n---\nx", "p:2: version: expected a version"),
        ("---\nversion: [1]\n---\nx", "p:2: version: expected text"),
        ("---\ntype: image\n---\nx", 'p:2: type: expected "chat" or "completion"'),
        ("---\ndescription: 7\n---\nx", "p:2: description: expected text"),
        ("---\ndefaults: x\n---\nx", "p:2: defaults: expected a table"),
        ("---\ndefaults: {1: 2}\n---\nx", "p:2: defaults: expected a table"),
        ("---\nsettings: [1]\n---\nx", "p:2: settings: expected a table"),
        ("---\nname: a\nmax_prompt_tokens: 0\n---\nx", "p:3: max_prompt_tokens: expected a whole number"),
        ("---\nweight: -1\n---\nx", "p:2: weight: expected a number"),
        ("---\nweight: .nan\n---\nx", "p:2: weight: expected a number"),
        ("---\nname: !!python/object:os.system x\n---\nx", "not YAML"),
        ("---\nname: a\n---\n\n", "p:5: the template is empty"),
        ("", "p:1: the template is empty"),
        ("---\nname: a\n---\nuser:\n\nassistant:\nx", 'p:4: the section "user:" is empty'),
        ("---\nname: a\n---\nsystem:\nx", "a user message is missing"),
        ("---\nname: a\n---\nuser:\nfine\nassistant:\n\n{{ b }\n", "p:8: not a template"),
        ("a\nb\n{% endif %}", "p:3: not a template"),
        ("---\ndefaults: {b: 1}\n---\n{{ a }}", 'p: defaults: "b" is no variable'),
    ],
)
def test_a_bad_file_is_an_error_that_names_file_line_and_field(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_prompt(text, where="p")


def test_bytes_that_are_no_utf8_are_named(tmp_path: Path) -> None:
    (tmp_path / "p.md").write_bytes(b"one\ntwo \xff")
    with pytest.raises(InputError, match=r"p\.md:2: expected UTF-8, got the byte 0xff"):
        PromptLibrary(tmp_path)


def test_versions_are_found_latest_exact_or_by_range(tmp_path: Path) -> None:
    for number in ("1.2.0", "1.10.0", "2.0.0-beta.1", "0.9"):
        write(tmp_path, f"{number}.md", version(number))
    library = PromptLibrary(tmp_path)
    assert [prompt.version for prompt in library.versions("translate")] == ["0.9", "1.2.0", "1.10.0", "2.0.0-beta.1"]
    found = [library.get("translate", wanted).version for wanted in ("latest", "1.2.0", "^1.0", "<1", "2.0.0-beta.1")]
    assert found == ["1.10.0", "1.2.0", "1.10.0", "0.9", "2.0.0-beta.1"]
    with pytest.raises(InputError, match='no version "3" of "translate"; there is: 0'):
        library.get("translate", "3")
    with pytest.raises(InputError, match='no prompt "nope"; there is: "translate"'):
        library.get("nope")
    assert ("translate" in library, "nope" in library, library.names()) == (True, False, ["translate"])


def test_a_readme_and_hidden_files_are_no_prompts(tmp_path: Path) -> None:
    for name in ("README.md", ".draft.md", ".git/x.md", "notes.txt"):
        write(tmp_path, name, "---\nbad")
    assert PromptLibrary(tmp_path).names() == []


def test_without_pyyaml_front_matter_is_refused_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(InputError, match=r"pip install 'penstock\[prompts\]'"):
        read_prompt(GOOD)
    assert read_prompt("Say {{ a }}").render(a="x").text == "Say x"


def test_two_files_of_one_version_are_refused(tmp_path: Path) -> None:
    write(tmp_path, "a.md", version("1.0"))
    write(tmp_path, "b.md", version("1.0.0"))
    with pytest.raises(InputError, match=r"b\.md: version: translate@1\.0\.0 is in .*a\.md too"):
        PromptLibrary(tmp_path)


def test_every_bad_file_is_told_at_once_and_a_folder_that_is_none_too(tmp_path: Path) -> None:
    write(tmp_path, "a.md", "{{ a")
    write(tmp_path, "b.md", "---\nx: 1\n---\nb")
    with pytest.raises(InputError, match=r"a\.md:1.*\n.*b\.md:2"):
        PromptLibrary(tmp_path)
    with pytest.raises(InputError, match="expected a folder"):
        PromptLibrary(tmp_path / "a.md")


# --- reading again


def test_a_change_a_new_file_and_a_file_that_went_are_seen_at_the_next_use(tmp_path: Path) -> None:
    write(tmp_path, "a.md", version("1.0.0", "one {{ text }}"))
    library = PromptLibrary(tmp_path)
    before = library.get("translate")
    write(tmp_path, "a.md", version("1.0.0", "two {{ text }}"))
    assert library.get("translate").render(text="x").text == "two x"
    assert before.render(text="x").text == "one x"
    path = write(tmp_path, "deeper/b.md", version("1.1.0"))
    assert library.get("translate").version == "1.1.0"
    path.unlink()
    assert library.get("translate").version == "1.0.0"


def test_a_library_that_is_read_once_stays_as_it_was(tmp_path: Path) -> None:
    write(tmp_path, "a.md", version("1.0.0", "one"))
    library = PromptLibrary(tmp_path, reload=False)
    write(tmp_path, "a.md", version("1.0.0", "two"))
    assert library.get("translate").render().text == "one"


def test_a_file_that_breaks_keeps_its_last_good_version_and_says_so_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = write(tmp_path, "a.md", version("1.0.0", "one"))
    library = PromptLibrary(tmp_path)
    with caplog.at_level(logging.WARNING, "penstock.prompts"):
        write(tmp_path, "a.md", version("1.0.0", "{{ broken"))
        assert [library.get("translate").render().text for _ in range(3)] == ["one"] * 3
    (record,) = caplog.records
    assert "a.md:5: not a template" in record.message
    assert "translate@1.0.0 is used as it was before" in record.message
    assert list(library.problems) == [str(path)]
    write(tmp_path, "a.md", version("1.0.0", "two"))
    assert library.get("translate").render().text == "two"
    assert library.problems == {}


def test_a_new_bad_file_does_not_touch_the_others(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(tmp_path, "a.md", version("1.0.0", "one"))
    library = PromptLibrary(tmp_path)
    write(tmp_path, "b.md", version("9.0.0", "{{ broken"))
    write(tmp_path, "c.md", version("1.0", "another one"))
    assert [library.get("translate").render().text for _ in range(3)] == ["one"] * 3
    assert len(caplog.records) == len(library.problems) == 2
    (tmp_path / "a.md").unlink()
    assert library.get("translate").render().text == "another one"
    assert list(library.problems) == [str(tmp_path / "b.md")]


def test_rules_and_the_clock_reach_every_prompt(tmp_path: Path) -> None:
    write(tmp_path, "a.md", "{{ now('%Y') }} {{ text | loud }}")
    library = PromptLibrary(tmp_path, rules={"loud": str.upper}, clock=lambda: datetime(2026, 5, 1, tzinfo=UTC))
    assert library.get("a").render(text="hi").text == "2026 HI"


def test_a_bad_file_in_a_folder_that_was_empty_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    library = PromptLibrary(tmp_path)
    write(tmp_path, "a.md", "{{ broken")
    assert (library.names(), len(library.problems), len(caplog.records)) == ([], 1, 1)


def test_what_is_no_folder_and_no_version_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "a.md", version("1.0.0"))
    with pytest.raises(InputError, match="expected a version as text"):
        PromptLibrary(tmp_path).get("translate", 1)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="path of a folder"):
        PromptLibrary(None)  # type: ignore[arg-type]


# --- splits


def test_users_are_divided_by_the_weights_in_the_files(tmp_path: Path) -> None:
    write(tmp_path, "a.md", version("1.0.0", weight=90))
    write(tmp_path, "b.md", version("1.1.0", weight=10))
    write(tmp_path, "c.md", version("2.0.0"))
    library = PromptLibrary(tmp_path, reload=False)
    seen = [library.for_user("translate", f"u{number}").version for number in range(3000)]
    assert set(seen) == {"1.0.0", "1.1.0"}
    assert 0.87 < seen.count("1.0.0") / len(seen) < 0.93


def test_a_changed_weight_moves_users_only_to_its_version(tmp_path: Path) -> None:
    write(tmp_path, "a.md", version("1.0.0", weight=50))
    write(tmp_path, "b.md", version("1.1.0", weight=50))
    write(tmp_path, "c.md", version("1.2.0", weight=50))
    library = PromptLibrary(tmp_path)
    users = [f"u{number}" for number in range(1000)]
    before = [library.for_user("translate", user).version for user in users]
    write(tmp_path, "b.md", version("1.1.0", weight=100))
    after = [library.for_user("translate", user).version for user in users]
    moved = [now for was, now in zip(before, after, strict=True) if was != now]
    assert set(moved) == {"1.1.0"}


def test_another_spelling_of_a_version_moves_nobody(tmp_path: Path) -> None:
    write(tmp_path, "a.md", version("1.0", weight=50))
    write(tmp_path, "b.md", version("1.1.0-rc.1", weight=50))
    library = PromptLibrary(tmp_path)
    users = [f"u{number}" for number in range(500)]
    before = [library.for_user("translate", user).version == "1.0" for user in users]
    write(tmp_path, "a.md", version("1.0.0", weight=50))
    assert [library.for_user("translate", user).version == "1.0.0" for user in users] == before


def test_weights_of_a_call_name_versions_or_ranges(tmp_path: Path) -> None:
    write(tmp_path, "a.md", version("1.0.0"))
    library = PromptLibrary(tmp_path)
    assert library.for_user("translate", "u1", weights={"1.x": 1}).version == "1.0.0"
    with pytest.raises(InputError, match='no version of "translate" has a weight'):
        library.for_user("translate", "u1")
    with pytest.raises(InputError, match="a user's id"):
        library.for_user("translate", "", weights={"1.x": 1})
