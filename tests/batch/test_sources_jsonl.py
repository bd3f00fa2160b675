"""JSON lines: every form that is a request, and every way not to be one."""

from __future__ import annotations

import gzip
import io
import json
import os
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.batch.sources import BadRow, Row, open_source
from penstock.batch.sources_lines import open_bytes
from penstock.errors import InputError

USER = {"role": "user", "content": "hi"}
CHAT = {"messages": [USER]}


def read(tmp_path: Path, data: bytes | str, **options: Any) -> list[Row | BadRow]:
    path = tmp_path / "prompts.jsonl"
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return list(open_source(str(path), **options).rows())


def only(tmp_path: Path, line: object, **options: Any) -> Row | BadRow:
    (row,) = read(tmp_path, line if isinstance(line, (bytes, str)) else json.dumps(line), **options)
    return row


def good(tmp_path: Path, line: object, **options: Any) -> Row:
    row = only(tmp_path, line, **options)
    assert isinstance(row, Row), row
    return row


def complaint(tmp_path: Path, line: object, **options: Any) -> str:
    row = only(tmp_path, line, **options)
    assert isinstance(row, BadRow), row
    return row.message.removeprefix(f"{tmp_path}/")


@pytest.mark.parametrize(
    ("line", "kind", "model", "body"),
    [
        (CHAT, "chat", None, CHAT),
        (
            {**CHAT, "model": "m", "temperature": 0.5, "odd": {"x": 1}},
            "chat",
            "m",
            {**CHAT, "temperature": 0.5, "odd": {"x": 1}},
        ),
        ({"prompt": "hi"}, "chat", None, CHAT),
        ({"prompt": "hi", "model": "m", "max_tokens": 5}, "chat", "m", {"max_tokens": 5, **CHAT}),
        ({"input": "hi"}, "embedding", None, {"input": "hi"}),
        ({"input": ["a", "b"], "model": "e"}, "embedding", "e", {"input": ["a", "b"]}),
        ({"body": CHAT}, "chat", None, CHAT),
        ({"body": {"prompt": "hi"}}, "chat", None, CHAT),
        ({"url": "/v1/completions", "body": {"prompt": "hi"}}, "completion", None, {"prompt": "hi"}),
        ({"url": "/v1/completions", "body": {"prompt": [1, 2]}}, "completion", None, {"prompt": [1, 2]}),
        ({"url": "/v1/embeddings", "body": {"input": [[1], [2]]}}, "embedding", None, {"input": [[1], [2]]}),
        ({"method": "POST", "url": "/v1/chat/completions", "body": {**CHAT, "model": "m"}}, "chat", "m", CHAT),
        ({**CHAT, "stream": True, "stream_options": {"include_usage": True}}, "chat", None, CHAT),
        ({**CHAT, "model": ""}, "chat", None, CHAT),
        ({**CHAT, "model": None}, "chat", None, CHAT),
    ],
)
def test_each_form_is_its_request(tmp_path: Path, line: Any, kind: str, model: str | None, body: Any) -> None:
    assert good(tmp_path, line) == Row(0, 1, "line-1", kind, model, body)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("/v1/chat/completions", "chat"),
        ("/chat/completions", "chat"),
        ("chat/completions", "chat"),
        ("v1/chat/completions/", "chat"),
        ("https://api.openai.com/v1/chat/completions", "chat"),
        ("https://api.groq.com/openai/v1/chat/completions", "chat"),
        ("https://openrouter.ai/api/v1/completions", "completion"),
        ("http://127.0.0.1:8000/v1/embeddings", "embedding"),
        ("https://generativelanguage.googleapis.com/v1beta/openai/embeddings", "embedding"),
        ("https://x.openai.azure.com/openai/deployments/mine/chat/completions?api-version=2024-10-21", "chat"),
        ("/embeddings", "embedding"),
    ],
)
def test_a_url_says_the_kind_with_or_without_host_and_version(tmp_path: Path, url: str, kind: str) -> None:
    assert good(tmp_path, {"url": url, "body": {**CHAT, "prompt": "p", "input": "i"}}).kind == kind


@pytest.mark.parametrize(
    ("given_id", "custom_id"),
    [("a", "a"), (7, "7"), (-1, "-1"), ("é\n", "é\n"), (None, "line-1"), ("x" * 4096, "x" * 4096)],
)
def test_an_id_is_a_string_or_an_integer_and_null_is_none(tmp_path: Path, given_id: object, custom_id: str) -> None:
    row = good(tmp_path, {"custom_id": given_id, **CHAT})
    assert (row.custom_id, row.body) == (custom_id, CHAT)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("[1]", "expected a JSON object, got a list"),
        ('"hi"', "expected a JSON object, got a string"),
        ("3", "expected a JSON object, got a number"),
        ("null", "expected a JSON object, got null"),
        ("hello", "invalid JSON: Expecting value at column 1"),
        ('{"prompt": "hi"', "invalid JSON: Expecting ',' delimiter at column 16"),
        ('{"prompt": "hi"} {}', "invalid JSON: Extra data at column 18"),
        ('{"prompt": "a\tb"}', "invalid JSON: Invalid control character at at column 14"),
        ('{"prompt": "hi", "t": NaN}', "invalid JSON: NaN is no JSON number"),
        ('{"prompt": "hi", "t": -Infinity}', "invalid JSON: -Infinity is no JSON number"),
        ('{"prompt": "hi", "t": 1e999}', "invalid JSON: Number out of range - at `$[...]`"),
        ('{"prompt": "\\ud800"}', "invalid JSON: half of a surrogate pair (\\ud800 to \\udfff must come in twos)"),
        (b'{"prompt": "\xe9"}', "expected UTF-8, got the byte 0xe9 at column 13"),
        ("[" * 100_000, "expected JSON, got one that is nested too deeply"),
        ({}, 'expected "messages", "prompt" or "input", or a Batch line with a body; got an empty object'),
        (
            {"question": 1, "b": 2, "c": 3, "d": 4, "e": 5, "f": 6},
            (
                'expected "messages", "prompt" or "input", or a Batch line with a body; '
                'got the keys "question", "b", "c", "d", "e", ...'
            ),
        ),
        ({"messages": []}, '"messages": expected at least one message, got an empty list'),
        ({"messages": "hi"}, '"messages": expected a list, got a string'),
        ({"messages": None}, '"messages": expected a list, got null'),
        ({"messages": [USER, "x"]}, '"messages"[1]: expected an object, got a string'),
        ({"messages": [{"content": "x"}]}, '"messages"[0]: expected a "role" such as "user", got the keys "content"'),
        ({"prompt": "a", "messages": [USER]}, 'expected "messages" or "prompt", got both'),
        ({"prompt": ""}, '"prompt": expected a non-empty string, got an empty one'),
        (
            {"prompt": ["a"]},
            (
                '"prompt": expected a string, got a list; '
                "for text completions write a Batch line with the url /v1/completions"
            ),
        ),
        ({"input": []}, '"input": expected a non-empty string or list, got an empty one'),
        ({"input": 3}, '"input": expected a string or a list, got a number'),
        ({"body": [1]}, '"body": expected an object, got a list'),
        ({"body": None}, '"body": expected an object, got null'),
        ({"url": "/v1/chat/completions", "body": {}}, 'expected "messages" in the body; got an empty object'),
        ({"url": "/v1/embeddings", "body": CHAT}, 'expected "input" in the body; got the keys "messages"'),
        (
            {"url": "/v1/chat/completions", **CHAT},
            'expected a "body" beside "url" and "method"; got the keys "url", "messages"',
        ),
        (
            {"url": "/v1/responses", "body": {"input": "x"}},
            "\"url\": expected /v1/chat/completions, /v1/completions or /v1/embeddings, got '/v1/responses'",
        ),
        (
            {"url": "/v1/fim/completions", "body": CHAT},
            "\"url\": expected /v1/chat/completions, /v1/completions or /v1/embeddings, got '/v1/fim/completions'",
        ),
        ({"url": 1, "body": CHAT}, '"url": expected a string, got a number'),
        ({"method": "GET", "url": "/v1/embeddings", "body": {"input": "x"}}, '"method": expected "POST", got \'GET\''),
        ({"model": 4, **CHAT}, '"model": expected a string, got a number'),
        ({"custom_id": "", **CHAT}, '"custom_id": expected a string of 1 to 4096 characters, got an empty one'),
        (
            {"custom_id": "x" * 4097, **CHAT},
            '"custom_id": expected a string of 1 to 4096 characters, got 4097 characters',
        ),
        ({"custom_id": 1.5, **CHAT}, '"custom_id": expected a string, got a number'),
        ({"custom_id": True, **CHAT}, '"custom_id": expected a string, got true or false'),
        ({"custom_id": ["a"], **CHAT}, '"custom_id": expected a string, got a list'),
    ],
)
def test_a_bad_line_says_where_what_was_expected_and_what_came(tmp_path: Path, line: object, message: str) -> None:
    assert complaint(tmp_path, line) == f"prompts.jsonl:1: {message}"


def test_a_bad_line_keeps_its_id_when_it_has_one(tmp_path: Path) -> None:
    rows = read(tmp_path, '{"custom_id": "a", "messages": []}\n{"messages": []}\nnonsense\n')
    assert [row.custom_id for row in rows] == ["a", "line-2", None]


def test_blank_lines_count_as_lines_and_not_as_rows(tmp_path: Path) -> None:
    rows = read(tmp_path, b'\n{"prompt": "a"}\r\n \t\r\n[]\n{"prompt": "b"}')
    assert [(row.index, row.line, type(row)) for row in rows] == [(0, 2, Row), (1, 4, BadRow), (2, 5, Row)]


def test_a_byte_order_mark_is_not_content(tmp_path: Path) -> None:
    assert good(tmp_path, b'\xef\xbb\xbf{"prompt": "hi"}').body == CHAT
    assert read(tmp_path, b"\xef\xbb\xbf") == []


def test_utf_16_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"prompts.jsonl: expected UTF-8, got UTF-16; save the file as UTF-8"):
        read(tmp_path, '{"prompt": "hi"}'.encode("utf-16"))


def test_the_last_of_equal_keys_counts_and_big_integers_stay_whole(tmp_path: Path) -> None:
    row = good(tmp_path, '{"prompt": "a", "prompt": "hi", "seed": 123456789012345678901234}')
    assert row.body == {"seed": 123456789012345678901234, **CHAT}


def test_a_gzipped_file_reads_alike(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"prompt": "hi"}\n' * 3))
    assert [row.custom_id for row in open_source(str(path)).rows()] == ["line-1", "line-2", "line-3"]


def test_a_cut_gzip_is_an_input_error(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress(os.urandom(5000))[:2000])
    with pytest.raises(InputError, match=r"a.jsonl.gz: can't be read: Compressed file ended"):
        list(open_source(str(path)).rows())


@given(
    lines=st.lists(st.binary(max_size=40).map(lambda line: line.replace(b"\n", b"")), max_size=20),
    step=st.integers(1, 50),
    limit=st.integers(1, 30),
)
def test_a_clipped_stream_gives_each_line_whole_or_longer_than_the_limit(
    lines: list[bytes], step: int, limit: int
) -> None:
    stdin = sys.stdin
    sys.stdin = io.TextIOWrapper(_Sips(b"\n".join(lines), step))
    try:
        with open_bytes(None, "stdin", limit=limit) as file:
            got = [line.removesuffix(b"\n") for line in file]
    finally:
        sys.stdin = stdin
    expected = b"\n".join(lines).split(b"\n")
    expected = expected[:-1] if expected[-1] == b"" else expected
    assert len(got) == len(expected)
    for mine, line in zip(got, expected, strict=True):
        assert mine == line if len(line) <= limit else len(mine) > limit


class _Sips(io.BytesIO):
    """Gives at most `step` bytes a read, as a pipe may."""

    def __init__(self, data: bytes, step: int) -> None:
        super().__init__(data)
        self._step = step

    def readinto1(self, buffer: Any) -> int:
        data = super().read(min(len(buffer), self._step))
        buffer[: len(data)] = data
        return len(data)


def test_a_pipe_gives_each_row_as_it_comes_and_reads_once(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    go = threading.Event()

    def write() -> None:
        with path.open("wb", buffering=0) as file:
            file.write(b'{"prompt": "a"}\n')
            assert go.wait(10)
            file.write(b'{"prompt": "b"}\n')

    writer = threading.Thread(target=write)
    writer.start()
    source = open_source(str(path))
    rows = source.rows()
    assert (next(rows).line, source.replayable, source.fingerprint()) == (1, False, None)
    go.set()
    assert [row.line for row in rows] == [2]
    writer.join(10)


def test_a_dash_is_the_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b'{"prompt": "hi"}\n[]\n')))
    source = open_source("-")
    first, second = source.rows()
    assert first == Row(0, 1, "line-1", "chat", None, CHAT)
    assert isinstance(second, BadRow)
    assert second.message == "stdin:2: expected a JSON object, got a list"
    assert (source.path, source.name, source.replayable) == (None, "stdin", False)


def test_an_id_column_names_the_key_of_the_id(tmp_path: Path) -> None:
    lines = (
        '{"key": "a", "prompt": "hi"}\n{"key": 2, "url": "/v1/embeddings", "body": {"input": "x"}}\n{"prompt": "hi"}'
    )
    rows = read(tmp_path, lines, id_column="key")
    assert [row.custom_id for row in rows] == ["a", "2", None]
    assert isinstance(rows[2], BadRow)
    assert rows[2].message.endswith('prompts.jsonl:3: expected an id in "key", got none')
    assert rows[0] == Row(0, 1, "a", "chat", None, CHAT)
    assert good(tmp_path, {"key": "a", "custom_id": "b", **CHAT}, id_column="key").body == CHAT


def test_with_a_template_a_line_is_its_variables_and_nothing_else_travels(tmp_path: Path) -> None:
    line = {"custom_id": "a", "text": "moon", "model": "m", "temperature": 1}
    row = good(tmp_path, line, prompt="{{ custom_id }}: about {{ text }}, {{ model }}?")
    body = {"messages": [{"role": "user", "content": "a: about moon, m?"}]}
    variables = {"custom_id": "a", "model": "m", "text": "moon"}
    assert row == Row(0, 1, "a", "chat", None, body, None, variables)


def test_a_template_variable_that_is_no_field_is_a_bad_line(tmp_path: Path) -> None:
    assert complaint(tmp_path, {"text": 1, "id": 2}, prompt="{{ txet }}") == (
        'prompts.jsonl:1: the prompt\'s variable "txet" is no field of the line; its fields: "text", "id"'
    )


FORMS: dict[str, Any] = {
    "chat": lambda text: ({"messages": [{"role": "user", "content": text}], "seed": 1}, "chat"),
    "prompt": lambda text: ({"prompt": text or "x"}, "chat"),
    "input": lambda text: ({"input": [text]}, "embedding"),
    "batch": lambda text: (
        {"method": "POST", "url": "/v1/completions", "body": {"prompt": text or "x", "model": "m"}},
        "completion",
    ),
    "bad": lambda text: ({"nothing": text}, None),
}


@given(
    drawn=st.lists(st.tuples(st.sampled_from(sorted(FORMS)), st.text(max_size=20), st.booleans()), max_size=12),
    end=st.sampled_from(["\n", "\r\n", "\n\n"]),
    ascii_only=st.booleans(),
)
def test_any_mixture_of_forms_reads_back(
    tmp_path_factory: pytest.TempPathFactory, drawn: list[tuple[str, str, bool]], end: str, ascii_only: bool
) -> None:
    lines, kinds, ids = [], [], []
    for at, (form, text, named) in enumerate(drawn):
        line, kind = FORMS[form](text)
        number = at * end.count("\n") + 1
        lines.append(json.dumps({"custom_id": f"id {at}", **line} if named else line, ensure_ascii=ascii_only))
        kinds.append(kind)
        ids.append(f"id {at}" if named else f"line-{number}")
    path = tmp_path_factory.mktemp("forms") / "a.jsonl"
    path.write_bytes(end.join(lines).encode("utf-8"))
    source = open_source(str(path))
    rows = list(source.rows())
    assert [row.kind if isinstance(row, Row) else None for row in rows] == kinds
    assert [row.custom_id for row in rows] == ids
    assert [row.index for row in rows] == list(range(len(drawn)))
    keep = {index for index in range(len(drawn)) if index % 3}
    assert list(source.rows(wanted=keep.__contains__)) == [row for row in rows if row.index in keep]
    assert len(list(source.table())) == len(rows)


def test_the_fingerprint_tells_content_time_and_options_apart(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"prompt": "a"}\n')
    os.utime(path, ns=(1, 1))
    first = open_source(str(path)).fingerprint()
    assert open_source(str(path)).fingerprint() == first
    prints = {first, open_source(str(path), id_column="x").fingerprint()}
    prints.add(open_source(str(path), prompt="{{ prompt }}").fingerprint())
    path.write_text('{"prompt": "b"}\n')
    os.utime(path, ns=(1, 1))
    prints.add(open_source(str(path)).fingerprint())
    os.utime(path, ns=(2, 2))
    prints.add(open_source(str(path)).fingerprint())
    assert len(prints) == 5
    assert first is not None
    assert len(first) == 16


def test_the_table_of_json_lines_is_id_and_what_was_asked(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    parts = [{"type": "text", "text": "a"}, {"type": "image_url"}, {"type": "text", "text": "b"}]
    lines = [
        {"custom_id": "x", **CHAT},
        {"messages": [{"role": "user", "content": parts}]},
        {"input": ["p", "q"]},
        [],
    ]
    path.write_text("\n".join(map(json.dumps, lines)))
    source = open_source(str(path))
    assert source.columns() == ["custom_id", "prompt"]
    assert [tuple(row.values()) for row in source.table()] == [
        ("x", "hi"),
        ("line-2", "ab"),
        ("line-3", '["p", "q"]'),
        (None, None),
    ]
