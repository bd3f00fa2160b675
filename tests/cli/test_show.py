"""`penstock show`: one request's whole story."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.batch.given import meta, record, write

import penstock
from penstock.batch.journal import Journal
from penstock.batch.prescan import canonical, digest_of
from penstock.batch.record import Record
from penstock.batch.schema import FAILED
from penstock.call import Finding, PromptVersion, Usage
from penstock.cli.main import run

KEY = "sk-test-not-a-key"
RAW = b'{"choices":[{"message":{"role":"assistant","content":"yes\\nand no"},"finish_reason":"stop"}]}'
INPUT = """\
{"custom_id":"one","prompt":"p"}

{"custom_id":"two","prompt":"q"}
{"custom_id":"three","prompt":"p"}
{"custom_id":"four","prompt":"r"}
"""
Make = Callable[..., None]
Show = Callable[..., dict[str, Any]]
Out = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("in.jsonl").write_text(INPUT)


@pytest.fixture
def make() -> Make:
    """Makes the journal of `a.jsonl`: "one" answered, "two" failed, "three" equal to "one", "four" not asked."""

    def made(**remembered: Any) -> None:
        settings = {"models": ["sim/fast"], "prompt": None, "system": "be brief", "params": {"seed": 1}, "schema": None}
        values = {"input": "in.jsonl", "output": "a.jsonl", "total": 4, "settings": settings, "samples": 1}
        answered = meta(
            usage=Usage(12, 31, 8),
            cost_usd=0.0004,
            prompt=PromptVersion("ask", "v2", "00"),
            guards=(Finding(guard="redact", what="email", where="messages[0]", done="restored", count=2),),
            at_s=4e9,
        )
        failed = meta(
            error_code="auth", error_message=f"no such key: {KEY}", status="failed", attempts=3, http_status=401
        )
        first = digest_of("chat", canonical({"messages": [{"role": "user", "content": "p"}]}))
        with Journal(Path("a.jsonl.penstock")) as journal:
            journal.remember(id="r1", created_s=1e9, **{**values, **remembered})
            for stopped in ("Ctrl-C", None):
                journal.begin_session()
                journal.end_session(stopped=stopped, exit_code=3 if stopped else 1)
            write(journal, Record(0, "one", first, 1, 1, "req_1", answered), raw=RAW)
            write(
                journal, Record(1, "two", b"other", FAILED, 2, "req_2", failed), raw=b'{"api_key":"%b"}' % KEY.encode()
            )
            write(
                journal, record(2, "three", digest=first, body=3)._replace(meta=meta(joined=True, attempts=0)), raw=RAW
            )
        with sqlite3.connect("a.jsonl.penstock") as connection:
            connection.execute("UPDATE answers SET body = 1 WHERE custom_id = 'three'")
        connection.close()

    return made


@pytest.fixture
def shown(make: Make, capsys: Out) -> Show:
    """What `show a.jsonl ID --json` prints."""
    make()

    def show(custom_id: str) -> dict[str, Any]:
        assert run(["show", "a.jsonl", custom_id, "--json"]) == 0
        told: dict[str, Any] = json.loads(capsys.readouterr().out)
        return told

    return show


@pytest.mark.parametrize("named", ["a.jsonl", "a.jsonl.penstock"])
def test_an_answer_is_told_with_all_that_belongs_to_it(make: Make, capsys: Out, named: str) -> None:
    make()
    assert run(["show", named, "one"]) == 0
    head, *lines = capsys.readouterr().out.splitlines()
    assert head == "one of a.jsonl: answered"
    rows = {line[2:16].strip(): line[16:] for line in lines[: lines.index("")]}
    assert rows.pop("ended").endswith(", session 2 of 2")
    assert rows == {
        "target": "sim/fast",
        "finish": "stop",
        "requests sent": "1",
        "request id": "req_1",
        "latency": "0.5 s",
        "tokens": "12 in, 31 out, 8 cached",
        "cost": "$0.0004",
        "equal rows": "its answer is also that of three",
        "prompt": "ask@v2",
        "guard": "redact: email in messages[0] 2 times, restored",
    }
    assert lines[lines.index("") + 1] == "Request (line 1) to sim/fast"
    assert lines[-3:] == ["Answer", "  yes", "  and no"]


def test_the_request_is_what_the_options_made_of_the_line(shown: Show) -> None:
    messages = [{"role": "system", "content": "be brief"}, {"role": "user", "content": "r"}]
    told = shown("four")
    assert told["state"] == "not ended"
    assert told["request"] == {
        "line": 5, "url": "/v1/chat/completions", "models": ["sim/fast"], "has_changed": False,
        "body": {"messages": messages, "seed": 1},
    }  # fmt: skip


def test_a_failure_has_its_class_and_the_providers_own_body_but_no_key(make: Make, capsys: Out) -> None:
    make()
    assert run(["show", "a.jsonl", "two"]) == 0
    assert run(["show", "a.jsonl", "two", "--json"]) == 0
    told = capsys.readouterr().out
    assert "  error         auth: no such key: [key]\n  http status   401\n" in told
    assert KEY not in told
    whole = json.loads(told.splitlines()[-1])
    assert whole["error"] == {"code": "auth", "message": "no such key: [key]", "http_status": 401}
    assert (whole["response"], whole["answer"]) == ({"api_key": "[key]"}, None)


def test_a_row_without_an_answer_of_its_own_says_whose_it_has(shown: Show) -> None:
    assert shown("three")["equals"] == {"asked": "one", "others": [], "total": 2}
    assert shown("one")["equals"] == {"asked": "one", "others": ["three"], "total": 2}
    with sqlite3.connect("a.jsonl.penstock") as connection:  # the rows changed places: what was asked comes last
        connection.execute("UPDATE answers SET meta = CASE idx WHEN 0 THEN ? ELSE ? END", (meta(joined=True), meta()))
    connection.close()
    assert shown("one")["equals"] == {"asked": "three", "others": [], "total": 2}


def test_an_input_that_has_changed_is_said_to(shown: Show) -> None:
    assert [shown("one")["request"]["has_changed"], shown("two")["request"]["has_changed"]] == [False, True]
    Path("in.jsonl").write_text('{"custom_id":"three","prompt":"p"}\n{"custom_id":"one","prompt":"new"}\n')
    moved, changed = shown("three")["request"], shown("one")["request"]
    assert [(one["line"], one["has_changed"]) for one in (moved, changed)] == [(1, False), (2, True)]
    Path("in.jsonl").unlink()
    gone = shown("one")
    assert (gone["request"], gone["answer"]["finish"]) == (None, ["stop"])
    assert gone["request_missing"] == "in.jsonl: can't be read: No such file or directory"


def test_a_pipe_is_never_read(make: Make, capsys: Out) -> None:
    make(input="-", total=None)
    assert run(["show", "a.jsonl", "one"]) == 0
    assert "unknown: it came from a pipe, and the journal keeps no requests" in capsys.readouterr().out


def test_an_unknown_id_names_the_nearest(make: Make, capsys: Out) -> None:
    make()
    assert [run(["show", "a.jsonl", "thre"]), run(["show", "a.jsonl", "fourth"]), run(["show", "a.jsonl", "99"])] == [
        2
    ] * 3
    lines = capsys.readouterr().err.splitlines()
    start = "penstock: a.jsonl.penstock: no request "
    assert lines[:2] == [f'{start}"thre"; did you mean "three"?', f'{start}"fourth"; did you mean "four"?']
    assert lines[2].startswith(f'{start}"99"; its ids are such as ')


def test_the_id_of_a_row_lists_its_samples(capsys: Out) -> None:
    args = ["run", "in.jsonl", "-o", "s.jsonl", "-m", "sim/fast", "--samples", "2", "--limit", "1", "--quiet"]
    assert run(args) == 0
    capsys.readouterr()
    assert [run(["show", "s.jsonl", "one"]), run(["show", "s.jsonl", "two"])] == [0, 0]
    assert capsys.readouterr().out.splitlines() == [
        *("one: 2 samples", "  one#1  answered", "  one#2  answered"),
        *("two: 2 samples", "  two#1  not ended", "  two#2  not ended"),
    ]
    assert run(["show", "s.jsonl", "one#2", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["request"]["body"] == {"messages": [{"role": "user", "content": "p"}]}
    assert run(["show", "s.jsonl", "one#3"]) == 2
    assert '"one#3"; did you mean "one#2"' in capsys.readouterr().err


def test_an_id_that_left_the_input_is_told_still(capsys: Out) -> None:
    args = ["run", "in.jsonl", "-o", "g.jsonl", "-m", "sim/fast", "--quiet"]
    assert run(args) == 0
    Path("in.jsonl").write_text('{"custom_id":"one","prompt":"p"}\n')
    assert run(args) == 0
    capsys.readouterr()
    assert run(["show", "g.jsonl", "two"]) == 0
    told = capsys.readouterr().out
    assert "  input         its id has left it\n" in told
    assert "  unknown: in.jsonl doesn't have it any more\n" in told
    assert told.endswith(" q\n")


def test_a_bad_line_and_a_list_in_python_are_told_too(capsys: Out) -> None:
    Path("in.jsonl").write_text('{"custom_id":"a","prompt":"p"}\n{"nope":1}\n')
    assert run(["run", "in.jsonl", "-o", "b.jsonl", "-m", "sim/fast", "--skip-bad", "--quiet"]) == 1
    with penstock.Client("sim/fast") as client:
        client.run(["one"], journal="numbers.penstock")
    with sqlite3.connect("numbers.penstock") as connection:
        ((custom_id,),) = connection.execute("SELECT custom_id FROM answers").fetchall()
    connection.close()
    assert [run(["show", "b.jsonl", "line-2"]), run(["show", "numbers", custom_id])] == [0, 0]
    told = capsys.readouterr().out
    assert "line-2 of b.jsonl: bad line\n  error         invalid_input: in.jsonl:2: expected " in told
    assert "unknown: line 2 is no request" in told
    assert "unknown: a list in Python asked it, and the journal keeps no requests" in told


def test_nothing_in_an_answer_moves_the_terminal(make: Make, capsys: Out) -> None:
    make()
    with sqlite3.connect("a.jsonl.penstock") as connection:
        connection.execute("UPDATE bodies SET raw = ?", (RAW.replace(b"and", b"\\u001b[2Jand\\u0007"),))
    connection.close()
    assert run(["show", "a.jsonl", "one"]) == 0
    assert capsys.readouterr().out.endswith("  yes\n  and  no\n")


def test_the_journal_and_its_folder_are_left_as_they_are(make: Make, capsys: Out) -> None:
    make()
    before = {path.name: path.read_bytes() for path in Path().iterdir()}
    assert [run(["show", "a.jsonl", "one"]), run(["show", "a.jsonl", "nobody"])] == [0, 2]
    assert {path.name: path.read_bytes() for path in Path().iterdir()} == before


def test_a_newer_journal_is_refused_and_left_alone(make: Make, capsys: Out) -> None:
    make()
    with sqlite3.connect("a.jsonl.penstock") as connection:
        connection.execute("PRAGMA user_version=99")
    connection.close()
    before = {path.name: path.read_bytes() for path in Path().iterdir()}
    assert run(["show", "a.jsonl", "one"]) == 2
    assert "a.jsonl.penstock was written by a newer penstock (journal version 99" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in Path().iterdir()} == before


def test_no_run_says_so(capsys: Out) -> None:
    assert run(["show", "none.jsonl", "one"]) == 2
    assert capsys.readouterr().err == "penstock: none.jsonl.penstock: no such journal\n"
