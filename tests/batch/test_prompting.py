"""What `--prompt @NAME` promises: which version asks which row, and that a resume asks the same."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from penstock.batch.job import run_job
from penstock.batch.prompting import PromptPlan, asker_of, plan_of
from penstock.batch.reader import open_run
from penstock.batch.report import report_path, write_report
from penstock.batch.settings import JobSettings
from penstock.cli.status import resume_command
from penstock.errors import InputError

ONE = """---
version: 1.0.0
defaults: {language: German}
settings: {model: sim/fast, temperature: 0.2}
weight: 75
---
To {{ language }}: {{ text }}
"""
TWO = """---
name: translate
version: 1.1.0
settings: {model: sim/fast}
weight: 25
---
system:
You translate.

user:
{{ text }}
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("PENSTOCK_CONFIG", raising=False)
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts" / "translate.md").write_text(ONE)
    (tmp_path / "prompts" / "newer.md").write_text(TWO)
    rows = "".join(f"{number},word {number},u{number}\n" for number in range(60))
    (tmp_path / "rows.csv").write_text("id,text,user\n" + rows)
    return tmp_path


def job(**options: object) -> JobSettings:
    return JobSettings(input="rows.csv", quiet=True, **{"output": "out.jsonl", **options})  # type: ignore[arg-type]


def lines(name: str = "out.jsonl") -> list[dict]:
    return [msgspec.json.decode(line) for line in Path(name).read_bytes().splitlines()]


def test_the_latest_version_asks_and_is_told_with_each_answer() -> None:
    assert run_job(job(prompt="@translate")).exit_code == 0
    told = {(line["penstock"]["prompt"]["name"], line["penstock"]["prompt"]["version"]) for line in lines()}
    assert told == {("translate", "1.1.0")}


def test_a_version_or_a_range_is_asked_with_its_settings_and_defaults() -> None:
    asker = asker_of(plan_of("@translate@~1.0", library=None, split_by=None))
    assert asker is not None
    asked = asker.ask({"text": "moon", "user": "u1"})
    body = {"messages": [{"role": "user", "content": "To German: moon"}], "temperature": 0.2}
    assert (asked.kind, asked.model, asked.body) == ("chat", "sim/fast", body)
    assert asked.prompt is not None
    assert asked.prompt.version == "1.0.0"


def test_what_the_command_says_wins_over_the_prompts_settings(folder: Path) -> None:
    (folder / "p.md").write_text("---\nsettings: {model: sim/fast, max_tokens: 4}\n---\nlong {{ text }} text to echo")
    run_job(job(prompt="@p.md", params={"max_tokens": 1}))
    assert {line["penstock"]["usage"]["output_tokens"] for line in lines()} == {1}


def test_rows_are_divided_among_the_versions_by_their_user_and_the_report_tells_each() -> None:
    assert run_job(job(prompt="@translate", split_by="user")).exit_code == 0
    versions = [line["penstock"]["prompt"]["version"] for line in lines()]
    assert set(versions) == {"1.0.0", "1.1.0"}
    run_job(job(prompt="@translate", split_by="user", output="again.jsonl"))
    assert [line["penstock"]["prompt"]["version"] for line in lines("again.jsonl")] == versions
    with open_run(Path("out.jsonl")) as run:
        write_report(report_path(Path("out.jsonl")), run.info, run.outcomes(bodies=False))
    html = report_path(Path("out.jsonl")).read_text()
    table = html[html.index("<h2>Prompts</h2>") :]
    assert f"<td>translate@1.0.0</td><td>{versions.count('1.0.0')}</td>" in table


def test_a_resume_with_another_version_is_refused_and_answers_are_kept(folder: Path) -> None:
    run_job(job(prompt="@translate"))
    (folder / "prompts" / "newest.md").write_text(TWO.replace("1.1.0", "1.2.0"))
    with pytest.raises(InputError, match="prompt: not what this run began with"):
        run_job(job(prompt="@translate"))
    assert run_job(job(prompt="@translate", keep_answered=True)).attempts == 0
    assert len(lines()) == 60


def test_a_resume_of_the_same_version_asks_nothing_twice() -> None:
    run_job(job(prompt="@translate", limit=20))
    assert run_job(job(prompt="@translate")).attempts == 40


def test_status_says_how_to_go_on_with_the_version_that_was_asked(folder: Path) -> None:
    run_job(job(prompt="@translate", limit=20))
    run_job(job(prompt="@translate", limit=20, output="split.jsonl", split_by="user", prompt_library="prompts"))
    (folder / "prompts" / "newest.md").write_text(TWO.replace("1.1.0", "1.2.0"))
    with open_run(Path("out.jsonl")) as run:
        command = resume_command(run.info)
    assert command == "penstock run rows.csv -o out.jsonl --prompt @translate@1.1.0"
    assert run_job(job(prompt="@translate@1.1.0")).attempts == 40
    with open_run(Path("split.jsonl")) as run:
        assert resume_command(run.info).endswith("--prompt @translate --prompt-library prompts --split-by user")


def test_an_inline_template_is_one_whatever_it_contains() -> None:
    for text in ("Say {{ text }}", "@{{ user }}: {{ text }}", "@you there", "{{ text }} @home"):
        assert plan_of(text, library=None, split_by=None) == text


@pytest.mark.parametrize(
    ("prompt", "options", "message"),
    [
        ("@nope", {}, 'prompts: no prompt "nope"; there is: "translate"'),
        ("@translate@3", {}, 'no version "3" of "translate"; there is: 1.0.0, 1.1.0'),
        ("@translate@x", {}, "expected a version"),
        ("@none.md", {}, "none.md: can't be read"),
        ("@translate", {"library": "nowhere"}, "nowhere: no such folder of prompts"),
        ("@translate@1.0.0", {"split_by": "user"}, "--split-by: the weights"),
        ("Say {{ text }}", {"split_by": "user"}, "--split-by: it goes with"),
        ("Say {{ text }}", {"library": "prompts"}, "--prompt-library: it goes with"),
        (None, {"split_by": "user"}, "--split-by: it goes with"),
        ("@p.md", {"library": "prompts"}, "p.md is one file"),
    ],
)
def test_what_can_not_be_meant_is_refused(prompt: str | None, options: dict[str, str], message: str) -> None:
    with pytest.raises(InputError, match=message.replace("(", r"\(")):
        plan_of(prompt, **{"library": None, "split_by": None, **options})  # type: ignore[arg-type]


def test_a_prompt_that_tells_the_time_is_refused_since_a_resume_would_ask_something_else(folder: Path) -> None:
    (folder / "p.md").write_text("It is {{ now() }}. {{ text }}")
    with pytest.raises(InputError, match=r"says now\(\)"):
        plan_of("@p.md", library=None, split_by=None)


def test_a_missing_column_is_named_before_anything_is_sent(folder: Path) -> None:
    (folder / "p.md").write_text("{{ text }} {{ tone }}")
    with pytest.raises(InputError, match='no column "tone"'):
        run_job(job(prompt="@p.md", models=("sim/fast",)))


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "txt"])
def test_a_missing_column_of_split_by_is_blamed_on_split_by(folder: Path, suffix: str) -> None:
    (folder / "rows.jsonl").write_text('{"text": "moon"}\n')
    (folder / "rows.txt").write_text("moon\n")
    settings = msgspec.structs.replace(job(prompt="@translate", split_by="nope"), input=f"rows.{suffix}")
    with pytest.raises(InputError, match=r'--split-by:? (no column )?"nope"'):
        run_job(settings)


def test_a_row_without_a_user_is_a_bad_row(folder: Path) -> None:
    (folder / "rows.csv").write_text("text,user\nmoon,u1\nsun,\n")
    with pytest.raises(InputError, match=r'rows\.csv:3: "user": expected whose row it is'):
        run_job(job(prompt="@translate", split_by="user"))
    assert run_job(job(prompt="@translate", split_by="user", skip_bad=True)).answered == 1


def test_a_plan_survives_the_journal() -> None:
    plan = plan_of("@translate", library=None, split_by="user")
    assert isinstance(plan, PromptPlan)
    kept = asker_of(msgspec.json.decode(msgspec.json.encode(msgspec.to_builtins(plan))))
    given = asker_of(plan)
    assert kept is not None
    assert given is not None
    columns = {"text": "moon", "user": "u7"}
    assert kept.ask(columns) == given.ask(columns)


RULES = """
def shout(text):
    return _louder(text)


def _louder(text):
    return text.upper() + "!"
"""


@pytest.fixture
def ruled(folder: Path) -> Path:
    (folder / "rules.py").write_text(RULES)
    (folder / "prompts" / "loud.md").write_text("---\nsettings: {model: sim/fast}\n---\nSay {{ text | shout }}")
    return folder


def test_rules_of_a_file_compose_the_prompts_of_a_run(ruled: Path) -> None:
    run_job(job(prompt="@loud", prompt_rules="rules.py", limit=20))
    told = lines()[3]["response"]["body"]["choices"][0]["message"]["content"]
    assert told.endswith("Say WORD 3!")
    assert run_job(job(prompt="@loud", prompt_rules="rules.py")).attempts == 40
    with open_run(Path("out.jsonl")) as run:
        assert resume_command(run.info).endswith("--prompt @loud@1.0.0 --prompt-rules rules.py")


def test_other_rules_are_another_prompt(ruled: Path) -> None:
    run_job(job(prompt="@loud", prompt_rules="rules.py", limit=20))
    (ruled / "other.py").write_text(RULES.replace("upper", "title"))
    with pytest.raises(InputError, match="--prompt: not what this run began with"):
        run_job(job(prompt="@loud", prompt_rules="other.py"))
    assert run_job(job(prompt="@loud", prompt_rules="other.py", keep_answered=True, limit=30)).attempts == 10
    (ruled / "other.py").write_text(RULES.replace("upper", "lower"))
    with pytest.raises(InputError, match=r"other.py was changed since; other rules go into another file"):
        run_job(job(prompt="@loud", prompt_rules="other.py", keep_answered=True))


def test_a_prompt_that_needs_rules_names_the_one_that_is_missing(ruled: Path) -> None:
    with pytest.raises(InputError, match=r"loud.md:4: not a template: No filter named 'shout'"):
        plan_of("@loud", library=None, split_by=None)
    with pytest.raises(InputError, match="--prompt-rules: it goes with a prompt of a library"):
        plan_of("{{ text | shout }}", library=None, split_by=None, rules="rules.py")


def test_a_plan_with_rules_survives_the_journal(ruled: Path) -> None:
    plan = plan_of("@loud", library=None, split_by=None, rules="rules.py")
    asker = asker_of(msgspec.json.decode(msgspec.json.encode(plan)))
    assert asker is not None
    assert asker.ask({"text": "moon"}).body["messages"][0]["content"] == "Say MOON!"


def test_a_row_whose_rule_fails_is_a_bad_row(ruled: Path) -> None:
    (ruled / "rules.py").write_text(
        "class Odd(Exception): ...\ndef shout(text):\n    if text == 'word 3': raise Odd(text)\n    return text\n"
    )
    with pytest.raises(InputError, match="the rule shout: Odd: word 3"):
        run_job(job(prompt="@loud", prompt_rules="rules.py"))
    summary = run_job(job(prompt="@loud", prompt_rules="rules.py", skip_bad=True))
    assert (summary.exit_code, summary.attempts) == (1, 59)
