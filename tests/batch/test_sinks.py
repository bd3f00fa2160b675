"""Tables of answers: every row once, in order, whole or not at all."""

from __future__ import annotations

import csv
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.batch.outcome import Outcome
from penstock.batch.sinks import answer_text, check_table, write_table
from penstock.batch.sinks_file import whole_file
from penstock.batch.sources import Source, open_source
from penstock.errors import InputError


def chat(text: str) -> bytes:
    return json.dumps({"choices": [{"message": {"role": "assistant", "content": text}}]}).encode()


def answered(index: int, text: str = "yes", **fields: Any) -> Outcome:
    return Outcome(
        index=index, custom_id=f"c{index}", kind="chat", state="answered", target="sim/fast", attempts=1, latency_s=1.0,
        at_s=0.0, body=chat(text), **fields,
    )  # fmt: skip


def failed(index: int) -> Outcome:
    return Outcome(
        index=index, custom_id=f"c{index}", kind="chat", state="failed", target="sim/fast", attempts=3, latency_s=1.0,
        at_s=0.0, status="failed", error_code="timeout", error_message="silent for 10 s", body=b"{}",
    )  # fmt: skip


def source(tmp_path: Path, name: str, text: str, **options: Any) -> Source:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return open_source(str(path), **options)


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_every_row_is_there_once_with_what_became_of_it(tmp_path: Path) -> None:
    rows = source(tmp_path, "in.csv", 'prompt,x\n"a,\n""1""",1\nb,2\nc,3\nd,4\n')
    out = tmp_path / "out.csv"
    outcomes = [answered(0, 'so,\n"yes"', cost_usd=0.25), failed(2), answered(3, status="truncated")]
    assert write_table(out, rows, iter(outcomes)) == 4
    got = [tuple(row.values()) for row in read_csv(out)]
    assert got == [
        ('a,\n"1"', "1", 'so,\n"yes"', "success", "sim/fast", "0.25", ""),
        ("b", "2", "", "", "", "", ""),
        ("c", "3", "", "failed", "sim/fast", "", "timeout: silent for 10 s"),
        ("d", "4", "yes", "truncated", "sim/fast", "", ""),
    ]
    assert list(read_csv(out)[0]) == ["prompt", "x", "answer", "status", "target", "cost_usd", "error"]


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), min_size=1))
def test_any_answer_survives_its_cell(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    folder = tmp_path_factory.mktemp("cell")
    write_table(folder / "out.csv", source(folder, "in.txt", "a\n"), iter([answered(0, text)]))
    assert [row["answer"] for row in read_csv(folder / "out.csv")] == [text]


def test_lines_become_a_table_of_id_and_prompt(tmp_path: Path) -> None:
    rows = source(tmp_path, "in.jsonl", '{"custom_id": "x", "prompt": "hi"}\n\n{"prompt": "ho"}\n[]\n')
    out = tmp_path / "out.csv"
    write_table(out, rows, iter([answered(0), answered(1)]))
    assert [(row["custom_id"], row["prompt"], row["answer"]) for row in read_csv(out)] == [
        ("x", "hi", "yes"),
        ("line-3", "ho", "yes"),
        ("", "", ""),
    ]


def test_a_bad_row_keeps_what_it_had(tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    path.write_bytes(b"prompt,x\na\nb\xe9,2\nc,3,4\n")
    out = tmp_path / "out.csv"
    write_table(out, open_source(str(path)), iter([]))
    assert [(row["prompt"], row["x"]) for row in read_csv(out)] == [("a", ""), ("b�", "2"), ("c", "3")]


def test_parquet_keeps_the_types_of_its_input(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    table = pa.table({"prompt": [f"p{n}" for n in range(2500)], "n": pa.array(range(2500), pa.int16())})
    pq.write_table(table, tmp_path / "in.parquet")
    out = tmp_path / "out.parquet"
    write_table(out, open_source(str(tmp_path / "in.parquet")), iter([answered(1, cost_usd=0.5), failed(2400)]))
    got = pq.read_table(out)
    assert got.select(["prompt", "n"]).equals(table)
    assert got.schema.field("cost_usd").type == pa.float64()
    assert got.slice(1, 1).to_pylist() == [
        {
            "prompt": "p1",
            "n": 1,
            "answer": "yes",
            "status": "success",
            "target": "sim/fast",
            "cost_usd": 0.5,
            "error": None,
        }
    ]
    assert got["error"][2400].as_py() == "timeout: silent for 10 s"
    assert got["status"].null_count == 2498


def test_parquet_takes_text_inputs_and_no_rows(tmp_path: Path) -> None:
    pq = pytest.importorskip("pyarrow.parquet")
    out = tmp_path / "out.parquet"
    write_table(out, source(tmp_path, "in.txt", "a\nb\n"), iter([answered(1)]))
    got = pq.read_table(out).to_pylist()
    assert [(row["prompt"], row["answer"]) for row in got] == [("a", None), ("b", "yes")]
    write_table(out, source(tmp_path, "in.txt", ""), iter([]))
    assert pq.read_table(out).to_pylist() == []


def test_parquet_as_csv_writes_nested_values_as_json(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    pq.write_table(pa.table({"prompt": ["a"], "tags": [["x", "y"]], "raw": [b"\x00\xff"]}), tmp_path / "in.parquet")
    out = tmp_path / "out.csv"
    write_table(out, open_source(str(tmp_path / "in.parquet")), iter([]))
    (row,) = read_csv(out)
    assert (row["tags"], row["raw"]) == ('["x","y"]', "AP8=")


def test_a_column_with_an_added_name_is_refused_before_the_run(tmp_path: Path) -> None:
    rows = source(tmp_path, "in.csv", "prompt,answer\na,b\n")
    with pytest.raises(InputError) as caught:
        check_table(rows, Path("out.csv"))
    assert str(caught.value).endswith(
        'in.csv: the column "answer" has the name of one that out.csv gets; rename it '
        "(added are answer, status, target, cost_usd, error)"
    )


def test_a_pipe_makes_no_table() -> None:
    with pytest.raises(InputError, match=r"out.csv: a table repeats the rows of its input, and stdin can be read only"):
        check_table(open_source("-"), Path("out.csv"))


def test_a_parquet_output_without_pyarrow_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(
        InputError, match=r"out.parquet: writing .parquet needs pyarrow: pip install 'penstock\[parquet"
    ):
        check_table(source(tmp_path, "in.txt", "a\n"), Path("out.parquet"))


@given(st.lists(st.integers(0, 20), unique=True).map(sorted))
def test_each_outcome_is_beside_its_own_row(tmp_path_factory: pytest.TempPathFactory, indexes: list[int]) -> None:
    folder = tmp_path_factory.mktemp("merge")
    rows = source(folder, "in.txt", "".join(f"{n}\n" for n in range(12)))
    write_table(folder / "out.csv", rows, (answered(index, f"to {index}") for index in indexes))
    got = {n: row["answer"] for n, row in enumerate(read_csv(folder / "out.csv")) if row["answer"]}
    assert got == {index: f"to {index}" for index in indexes if index < 12}


# --- the text of an answer


@pytest.mark.parametrize(
    ("kind", "body", "text"),
    [
        ("chat", {"choices": [{"message": {"content": "hi"}}]}, "hi"),
        ("chat", {"choices": [{"message": {"content": [{"type": "text", "text": "a"}, {"text": "b"}, {}]}}]}, "ab"),
        ("chat", {"choices": [{"message": {"content": None, "refusal": "no"}}]}, "no"),
        ("chat", {"choices": [{"message": {"content": None, "tool_calls": [{"id": "t"}]}}]}, '[{"id":"t"}]'),
        ("chat", {"choices": [{"message": {"content": "see:", "tool_calls": [{"id": "t"}]}}]}, 'see:\n[{"id":"t"}]'),
        ("chat", {"choices": [{"message": {"content": "a"}}, {"message": {"content": "é"}}]}, '["a","é"]'),
        ("chat", {"choices": []}, ""),
        ("completion", {"choices": [{"text": "hi"}]}, "hi"),
        ("embedding", {"data": [{"embedding": [0.5, 1]}]}, "[0.5, 1]"),
        ("embedding", {"data": [{"embedding": [1]}, {"embedding": "AAAA"}]}, '[[1],"AAAA"]'),
        ("chat", {"choices": 3}, '{"choices": 3}'),
    ],
)
def test_an_answer_as_text(kind: Any, body: Any, text: str) -> None:
    assert answer_text(kind, json.dumps(body).encode()) == text


# --- whole or not at all


def test_a_table_that_fails_midway_leaves_the_old_one(tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    out.write_text("old")

    def outcomes() -> Iterator[Outcome]:
        yield answered(0)
        raise OSError("disk")

    with pytest.raises(OSError, match="disk"):
        write_table(out, source(tmp_path, "in.txt", "a\nb\n"), outcomes())
    assert out.read_text() == "old"
    assert sorted(os.listdir(tmp_path)) == ["in.txt", "out.csv"]


def test_a_whole_file_keeps_links_and_permissions(tmp_path: Path) -> None:
    real, link = tmp_path / "real", tmp_path / "link"
    real.write_text("old")
    real.chmod(0o600)
    link.symlink_to(real)
    with whole_file(link) as file:
        file.write(b"new")
        assert real.read_text() == "old"
    assert (link.is_symlink(), real.read_text(), real.stat().st_mode & 0o777) == (True, "new", 0o600)


def test_a_device_is_written_and_not_replaced() -> None:
    with whole_file(Path("/dev/null")) as file:
        file.write(b"gone")
    assert Path("/dev/null").is_char_device()
