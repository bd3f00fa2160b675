"""Text, CSV and Parquet as inputs, templates over their columns, and inputs that can't be opened."""

from __future__ import annotations

import csv
import datetime
import gzip
import io
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.batch.sources import BadRow, Row, open_source
from penstock.errors import InputError


def written(tmp_path: Path, name: str, data: bytes | str) -> str:
    path = tmp_path / name
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return str(path)


def parquet(tmp_path: Path, columns: dict[str, list[Any]]) -> str:
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    path = str(tmp_path / "rows.parquet")
    pq.write_table(pa.table(columns), path)
    return path


def asked(rows: Any) -> list[tuple[str, str]]:
    """Each row's id and prompt; of a bad one its id and complaint without the folder."""
    told = []
    for row in rows:
        if isinstance(row, Row):
            assert (row.kind, row.model) == ("chat", None)
            told.append((row.custom_id, row.body["messages"][0]["content"]))
        else:
            told.append((row.custom_id, row.message.rsplit("/", 1)[-1]))
    return told


def refusal(path: str, **options: Any) -> str:
    with pytest.raises(InputError) as caught:
        list(open_source(path, **options).rows())
    return str(caught.value).replace(str(Path(path).parent) + "/", "")


# --- text


def test_each_line_of_a_text_is_a_prompt(tmp_path: Path) -> None:
    path = written(tmp_path, "a.txt", b"\xef\xbb\xbf one \r\n\n{two}\n  \ncaf\xe9\nthree")
    source = open_source(path)
    assert asked(source.rows()) == [
        ("line-1", " one "),
        ("line-3", "{two}"),
        ("line-5", "a.txt:5: expected UTF-8, got the byte 0xe9"),
        ("line-6", "three"),
    ]
    assert [row["prompt"] for row in source.table()] == [" one ", "{two}", "caf�", "three"]


def test_a_template_over_a_text_has_the_line_as_prompt(tmp_path: Path) -> None:
    path = written(tmp_path, "a.txt", "moon\nsun\n")
    assert asked(open_source(path, prompt="What is the {{ prompt }}?").rows())[1] == ("line-2", "What is the sun?")
    assert refusal(path, prompt="{{ text }}") == 'a.txt: --prompt: no column "text"; of a .txt the line is {{ prompt }}'
    assert refusal(path, id_column="id") == 'a.txt: --id-column: no column "id"; a .txt has none'


# --- CSV


def test_a_quoted_cell_holds_commas_quotes_and_lines_and_a_row_is_known_by_its_first_line(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", 'prompt,x\r\n"a, ""b""\nc",1\r\n\r\nd,2\r\n')
    assert asked(open_source(path).rows()) == [("line-2", 'a, "b"\nc'), ("line-5", "d")]


@pytest.mark.parametrize("zipped", [False, True])
def test_a_template_reads_columns_and_the_id_column_names_rows(tmp_path: Path, zipped: bool) -> None:
    text = "\ufeffid,text,First Name\na,moon,Ann\n7,süß,Bob\n".encode()
    path = written(tmp_path, "a.csv.gz", gzip.compress(text)) if zipped else written(tmp_path, "a.csv", text)
    source = open_source(path, prompt='{{ text | upper }} for {{ row["First Name"] }}', id_column="id")
    assert asked(source.rows()) == [("a", "MOON for Ann"), ("7", "SÜSS for Bob")]


def test_a_column_named_custom_id_is_the_id_unless_another_is_named(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", "custom_id,other,prompt\na,b,c\n")
    assert asked(open_source(path).rows()) == [("a", "c")]
    assert asked(open_source(path, id_column="other").rows()) == [("b", "c")]


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ("prompt,x\na\n", [(None, "a.csv:2: expected 2 cells, as many as the header has, got 1")]),
        (
            "prompt,x\na,b,c\nd,e\n",
            [(None, "a.csv:2: expected 2 cells, as many as the header has, got 3"), ("line-3", "d")],
        ),
        (b"prompt\ncaf\xe9\nd\n", [(None, "a.csv:2: expected UTF-8, got the byte 0xe9"), ("line-3", "d")]),
        ('prompt\n"a"b\nd\n', [(None, "a.csv:2: not CSV: ',' expected after '\"'"), ("line-3", "d")]),
        ('prompt\nd\n"open\nend\n', [("line-2", "d"), (None, "a.csv:3: not CSV: unexpected end of data")]),
        ('prompt,x\n"",1\n', [("line-2", 'a.csv:2: "prompt": expected a non-empty string, got an empty one')]),
        (
            "custom_id,prompt\n,a\n",
            [(None, 'a.csv:2: "custom_id": expected a string of 1 to 4096 characters, got an empty one')],
        ),
    ],
)
def test_a_bad_csv_row_says_where_and_why_and_the_next_is_read(tmp_path: Path, data: bytes | str, told: Any) -> None:
    assert asked(open_source(written(tmp_path, "a.csv", data)).rows()) == told


@pytest.mark.parametrize(
    ("data", "options", "message"),
    [
        (
            "a,b\n",
            {},
            (
                'a.csv: no column "prompt"; say what to ask with --prompt "... {{ column }} ..."; '
                'the columns are: "a", "b"'
            ),
        ),
        ("a,b\n", {"prompt": "{{ a }} {{ c }}"}, 'a.csv: --prompt: no column "c"; the columns are: "a", "b"'),
        ("prompt\n", {"id_column": "id"}, 'a.csv: --id-column: no column "id"; the columns are: "prompt"'),
        ("", {}, "a.csv:1: expected a header line with the columns' names, got nothing"),
        ("a,prompt,a\n", {}, 'a.csv:1: the column "a" is there twice'),
        ("prompt\n".encode("utf-16"), {}, "a.csv: expected UTF-8, got UTF-16; save the file as UTF-8"),
        (
            "a\n",
            {"prompt": "{{ a"},
            "--prompt: not a template: unexpected end of template, expected 'end of print statement'. (line 1)",
        ),
    ],
)
def test_what_concerns_a_whole_csv_is_said_at_opening(tmp_path: Path, data: Any, options: Any, message: str) -> None:
    assert refusal(written(tmp_path, "a.csv", data), **options) == message


def test_a_cell_may_be_longer_than_the_csv_module_allows_by_itself(tmp_path: Path) -> None:
    long = "x" * 300_000
    assert asked(open_source(written(tmp_path, "a.csv", f"prompt\n{long}\n")).rows()) == [("line-2", long)]


@given(
    cells=st.lists(st.tuples(st.text(min_size=1, max_size=12), st.text(max_size=12)), max_size=8),
    end=st.sampled_from(["\n", "\r\n"]),
)
def test_any_csv_that_python_writes_reads_back(
    tmp_path_factory: pytest.TempPathFactory, cells: list[tuple[str, str]], end: str
) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator=end, quoting=csv.QUOTE_ALL)
    writer.writerows([("prompt", "other"), *cells])
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    path.write_bytes(text.getvalue().encode("utf-8", "surrogatepass"))
    source = open_source(str(path))
    rows = list(source.rows())
    good = [(first, second) for first, second in cells if not _is_surrogate(first + second)]
    assert [row.body["messages"][0]["content"] for row in rows if isinstance(row, Row)] == [first for first, _ in good]
    assert len(rows) == len(cells) == len(list(source.table()))
    assert list(source.rows(wanted=lambda index: index % 2 == 0)) == rows[::2]


def _is_surrogate(text: str) -> bool:
    return any("\ud800" <= char <= "\udfff" for char in text)


# --- Parquet


def test_parquet_rows_are_typed_variables_and_null_is_nothing(tmp_path: Path) -> None:
    day = datetime.date(2026, 1, 2)
    path = parquet(
        tmp_path, {"id": [10, 11], "text": ["a", None], "day": [day, day], "tags": [["x", "y"], []], "unused": [1, 2]}
    )
    source = open_source(path, prompt="{{ text }}|{{ day.year }}|{{ tags | join('+') }}", id_column="id")
    assert asked(source.rows()) == [("10", "a|2026|x+y"), ("11", "|2026|")]
    assert source.columns() == ["id", "text", "day", "tags", "unused"]
    assert next(iter(source.table()))["unused"] == 1


def test_parquet_ids_are_row_numbers_and_skipping_counts(tmp_path: Path) -> None:
    path = parquet(tmp_path, {"prompt": [f"p{number}" for number in range(3000)]})
    source = open_source(path)
    rows = list(source.rows(wanted=lambda index: index in (0, 2999)))
    assert asked(rows) == [("line-1", "p0"), ("line-3000", "p2999")]
    assert [row.index for row in rows] == [0, 2999]


def test_a_bad_parquet_row_is_named_by_its_number(tmp_path: Path) -> None:
    path = parquet(tmp_path, {"prompt": ["a", None]})
    assert asked(open_source(path).rows())[1][1] == 'rows.parquet:2: "prompt": expected a non-empty string, got null'
    path = parquet(tmp_path, {"prompt": ["a"], "id": [1.5]})
    assert asked(open_source(path, id_column="id").rows()) == [
        (None, 'rows.parquet:1: "id": expected a string, got a number')
    ]


def test_what_is_no_parquet_says_so(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    assert refusal(written(tmp_path, "a.parquet", b"hello")).startswith("a.parquet: not a Parquet file: ")


def test_parquet_without_pyarrow_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    message = "a.parquet: reading .parquet needs pyarrow: pip install 'penstock[parquet]'"
    assert refusal(written(tmp_path, "a.parquet", b"hello")) == message


# --- templates


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        ("{{ a.b }}", "the prompt's template fails: 'str object' has no attribute 'b'"),
        ("{{ 1 / 0 }}", "the prompt's template fails: division by zero"),
        (
            "{{ a.__class__.__mro__ }}",
            "the prompt's template fails: access to attribute '__class__' of 'str' object is unsafe.",
        ),
        ("{{ row.nothing }}", "the prompt's template fails: 'dict object' has no attribute 'nothing'"),
        ("{% if a == 'x' %}y{% endif %}", "expected a prompt, got an empty one"),
        (
            "{% for i in range(10000000) %}{% endfor %}",
            "the prompt's template fails: Range too big. The sandbox blocks ranges larger than MAX_RANGE (100000).",
        ),
    ],
)
def test_a_template_that_fails_on_a_row_is_a_bad_row(tmp_path: Path, prompt: str, message: str) -> None:
    (row,) = open_source(written(tmp_path, "a.csv", "a\n1\n"), prompt=prompt).rows()
    assert isinstance(row, BadRow)
    assert row.message.endswith(f"a.csv:2: {message}")
    assert row.custom_id == "line-2"


def test_a_template_escapes_nothing_and_keeps_its_last_line_break(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", "a\n<b> & c\n")
    assert asked(open_source(path, prompt="{{ a }}\n").rows()) == [("line-2", "<b> & c\n")]


# --- opening


@pytest.mark.parametrize("name", ["a.json", "a", "a.gz", "a.parquet.gz", "a.jsonl.zip"])
def test_an_unknown_name_says_the_known_ones(tmp_path: Path, name: str) -> None:
    message = f"{name}: expected a name that ends in .jsonl, .txt, .csv or .parquet"
    assert refusal(written(tmp_path, name, "")) == message


def test_what_is_no_file_says_so(tmp_path: Path) -> None:
    assert refusal(str(tmp_path / "none.jsonl")) == "none.jsonl: can't be read: No such file or directory"
    assert refusal(str(tmp_path / "x" / "..")).endswith(": can't be read: No such file or directory")
    (tmp_path / "folder.jsonl").mkdir()
    assert refusal(str(tmp_path / "folder.jsonl")) == "folder.jsonl: expected a file, got a folder"


def test_a_suffix_in_capitals_is_the_same(tmp_path: Path) -> None:
    assert asked(open_source(written(tmp_path, "a.TXT", "hi\n")).rows()) == [("line-1", "hi")]
