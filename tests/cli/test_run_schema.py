"""`penstock run --schema FILE`: every answer fits, and what was paid for is never lost."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
from tests.cli.given import KEY, Ended, penstock
from tests.client.given import ledger, running_simulator

from penstock.batch.reader import open_run
from penstock.cli.status import resume_command
from penstock.schema import form_of

SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "size": {"type": "integer"}},
    "required": ["city", "size"],
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    lines = [
        *({"prompt": f"city {number}"} for number in range(3)),
        {"custom_id": "e", "method": "POST", "url": "/v1/embeddings", "body": {"input": "x"}},
    ]
    (tmp_path / "in.jsonl").write_text("\n".join(map(json.dumps, lines)))
    (tmp_path / "s.json").write_text(json.dumps(SCHEMA))
    return tmp_path


def ran(folder: Path, *more: str, model: str = "sim/fast", **environ: str) -> Ended:
    return penstock("run", "in.jsonl", "-o", "out.jsonl", "-m", model, *more, cwd=folder, **environ)


def lines_of(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def texts(folder: Path) -> list[dict]:
    return [
        json.loads(line["response"]["body"]["choices"][0]["message"]["content"])
        for line in lines_of(folder / "out.jsonl")
        if line["custom_id"] != "e"
    ]


def test_every_chat_is_answered_in_the_form_and_other_requests_as_they_are(folder: Path) -> None:
    assert ran(folder, "--schema", "s.json").code == 0
    assert [set(text) for text in texts(folder)] == [{"city", "size"}] * 3
    assert len(lines_of(folder / "out.jsonl")) == 4


def test_status_says_how_to_go_on_with_the_schema(folder: Path) -> None:
    assert ran(folder, "--schema", "s.json", "--limit", "2").code == 0
    with open_run(folder / "out.jsonl") as run:
        command = resume_command(run.info)
    assert command == "penstock run in.jsonl -o out.jsonl -m sim/fast --schema s.json"
    assert penstock(*shlex.split(command)[1:], cwd=folder).code == 0


def test_a_file_that_is_no_schema_is_named_and_reasks_without_one_are_refused(folder: Path) -> None:
    (folder / "s.json").write_text('{"type": "objec"}')
    assert "s.json: no JSON Schema" in ran(folder, "--schema", "s.json").err
    ended = ran(folder, "--reasks", "1")
    assert ended.code == 2
    assert "--reasks: it goes with --schema" in ended.err
    assert not list(folder.glob("out.jsonl*"))


def test_another_schema_is_refused_until_it_is_said_what_to_do(folder: Path) -> None:
    assert ran(folder, "--schema", "s.json", "--limit", "2").code == 0
    (folder / "s.json").write_text(json.dumps({**SCHEMA, "required": []}))
    for words in (["--schema", "s.json"], []):
        ended = ran(folder, *words)
        assert ended.code == 2
        assert "--schema" in ended.err
        assert "--keep-answered" in ended.err
        assert "--fresh" in ended.err
    assert ran(folder, "--schema", "s.json", "--keep-answered").code == 0
    assert len(texts(folder)) == 3


def test_the_same_schema_written_otherwise_is_the_same(folder: Path) -> None:
    assert ran(folder, "--schema", "s.json", "--limit", "2").code == 0
    (folder / "t.json").write_text(json.dumps(SCHEMA, indent=4, sort_keys=True))
    assert ran(folder, "--schema", "t.json").code == 0


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (None, "s.json: cannot be read"),
        ("{", "s.json: no JSON"),
        ("[]", "expected a JSON Schema, an object, got list"),
        ('{"type": "objct"}', "no JSON Schema: 'objct'"),
        ('{"$ref": "#/$defs/A"}', "leads nowhere"),
    ],
)
def test_a_schema_that_is_none_costs_nothing(folder: Path, text: str | None, says: str) -> None:
    (folder / "s.json").unlink()
    if text is not None:
        (folder / "s.json").write_text(text)
    ended = ran(folder, "--schema", "s.json")
    assert (ended.code, says in ended.err) == (2, True)
    assert not list(folder.glob("out*"))


def scenario(folder: Path, fault: dict) -> str:
    path = folder / "scenario.json"
    path.write_text(json.dumps({"models": {"*": {"faults": [fault]}}}))
    return str(path)


def test_an_invalid_answer_is_asked_again_before_it_counts(folder: Path) -> None:
    fault = {"fault": "unfit_answer", "prompt_contains": "city 1"}
    with running_simulator("--scenario", scenario(folder, fault)) as url:
        ended = ran(
            folder, "--schema", "s.json", "--base-url", f"{url}/openai/v1", model="openai/m", OPENAI_API_KEY=KEY
        )
        assert ended.code == 0
        told = {line["custom_id"]: line["penstock"]["attempts"] for line in lines_of(folder / "out.jsonl")}
        assert told == {"line-1": 1, "line-2": 2, "line-3": 1, "e": 1}
        assert len(ledger(url)) == 5


def test_one_that_never_fits_stands_with_its_body_in_the_errors_file_and_isnt_asked_again(folder: Path) -> None:
    fault = {"fault": "unfit_answer", "message": '{"city": 3}'}
    with running_simulator("--scenario", scenario(folder, fault)) as url:
        where = ("--base-url", f"{url}/openai/v1", "--schema", "s.json", "--reasks", "1")
        ended = ran(folder, *where, model="openai/m", OPENAI_API_KEY=KEY)
        assert ended.code == 1
        errors = lines_of(folder / "out.jsonl.errors.jsonl")
        assert [line["error"]["code"] for line in errors] == ["invalid_answer"] * 3
        assert errors[0]["response"]["body"]["choices"][0]["message"]["content"] == '{"city": 3}'
        assert errors[0]["penstock"]["attempts"] == 2
        served = len(ledger(url))
        assert served == 7
        assert ran(folder, *where, model="openai/m", OPENAI_API_KEY=KEY).code == 1
        assert len(ledger(url)) == served
        again = ran(folder, *where, "--retry-failed", model="openai/m", OPENAI_API_KEY=KEY)
        assert (again.code, len(ledger(url))) == (1, served + 6)


def test_what_a_cache_kept_without_the_schema_is_held_against_it(folder: Path) -> None:
    form = json.dumps(form_of(SCHEMA).response_format)
    fault = {"fault": "unfit_answer", "prompt_contains": "city 1"}
    (folder / "in.jsonl").write_text("\n".join(json.dumps({"prompt": f"city {number}"}) for number in range(3)))
    (folder / "penstock.toml").write_text('[cache]\nstore = "sqlite:answers.sqlite"\n')
    with running_simulator("--scenario", scenario(folder, fault)) as url:
        more = {"model": "openai/m", "OPENAI_API_KEY": KEY}
        where = ("--base-url", f"{url}/openai/v1")
        assert ran(folder, *where, "--param", f"response_format={form}", **more).code == 0
        assert texts(folder)[1] == {"unexpected": True}
        for path in folder.glob("out.jsonl*"):
            path.unlink()
        assert ran(folder, *where, "--schema", "s.json", **more).code == 0
        assert set(texts(folder)[1]) == {"city", "size"}
        # Two of three were known; the third was asked, and again.
        assert len(ledger(url)) == 3 + 2
