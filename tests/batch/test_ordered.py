from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.batch import export
from penstock.batch.export import OrderedOutput, errors_path, write_outputs
from penstock.batch.journal import Journal
from penstock.batch.record import Meta, Record, encode
from penstock.batch.schema import ANSWERED, FAILED
from penstock.batch.writer import Written


def written(idx: int, *, state: int = ANSWERED, raw: bytes | None = b'{"a":1}', body: int | None = None) -> Written:
    failed = state == FAILED
    meta = Meta(
        target="sim/x",
        attempts=1,
        latency_s=0.1,
        cost_usd=None,
        cached=False,
        status="failed" if failed else "success",
        usage=None,
        kind="chat",
        at_s=1.0,
        error_code="timeout" if failed else None,
    )
    number = idx + 1 if body is None else body
    return Record(idx, f"r{idx}", b"d", state, None if failed else number, None, encode(meta)), raw, None


def journal_rows(journal: Journal, rows: Sequence[Written]) -> None:
    async def run() -> None:
        writer = journal.writer(in_flight=lambda: 0)
        writer.put_many(rows)
        await writer.close()

    asyncio.run(run())


def output(folder: Path, rows: Sequence[Written], *, group: int) -> bytes:
    """Of a run that ends with these rows, committed in such groups; compared with what the journal alone makes."""
    folder.mkdir()
    out = folder / "out.jsonl"

    with Journal(folder / "j.penstock", out=out) as journal:
        growing = OrderedOutput(out, "run", body=journal.body)
        journal_rows(journal, rows)
        for at in range(0, len(rows), group):
            growing.add(rows[at : at + group])
        errors = growing.finish(journal)
        growing.close()
        again = folder / "again.jsonl"
        assert write_outputs(again, journal.items(), run_id="run") == errors
        assert out.read_bytes() == again.read_bytes()
        if errors:
            assert errors_path(out).read_bytes() == errors_path(again).read_bytes()
    assert list(folder.glob(".out*")) == []
    return out.read_bytes()


@given(seed=st.integers(0, 1000), held=st.sampled_from([0, 3, 2048]))
def test_it_is_what_the_journal_would_make_of_it(
    tmp_path_factory: pytest.TempPathFactory, seed: int, held: int
) -> None:
    drawn = random.Random(seed)
    rows = [written(idx, state=drawn.choice([ANSWERED, ANSWERED, FAILED]), raw=b"{}") for idx in range(20)]
    rows = [row for row in rows if drawn.random() < 0.95]
    drawn.shuffle(rows)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(export, "_MOST_HELD", held)
        output(tmp_path_factory.mktemp("run") / "x", rows, group=drawn.randint(1, 5))


def test_equal_rows_have_one_body(tmp_path: Path) -> None:
    made = output(tmp_path / "x", [written(0, raw=b'{"b":1}'), written(1, raw=None, body=1)], group=1)
    assert made.count(b'"body":{"b":1}') == 2


def test_rows_that_wait_for_a_slow_one_take_bounded_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "_MOST_HELD_BYTES", 100)
    growing = OrderedOutput(tmp_path / "out.jsonl", "run", body=lambda _: b"")
    growing.add([written(idx, raw=b" " * 60) for idx in range(1, 4)])
    assert not growing._held
    growing.close()


def test_what_could_not_be_written_meanwhile_is_written_at_the_end(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    with Journal(tmp_path / "j.penstock", out=out) as journal:
        growing = OrderedOutput(out, "run", body=journal.body)
        with open("/dev/full", "wb", buffering=0) as full:
            kept, growing._file = growing._file, full
            growing.add([written(0)])
            growing._file = kept
        journal_rows(journal, [written(0), written(1)])
        growing.add([written(1)])
        assert growing.finish(journal) == 0
    assert out.read_bytes().count(b"\n") == 2


def test_nothing_is_left_of_one_that_was_given_up(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    OrderedOutput(out, "run", body=lambda _: b"").close()
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_behind_is_removed(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    killed = OrderedOutput(out, "run", body=lambda _: b"")
    assert len(list(tmp_path.iterdir())) == 1
    OrderedOutput.clear(out)
    assert list(tmp_path.iterdir()) == []
    killed.close()
