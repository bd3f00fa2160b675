from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.batch.given import record, write

from penstock.batch.opening import Opened, open_job
from penstock.batch.settings import JobSettings
from penstock.errors import InputError, JournalError


def rows(path: Path, *texts: str) -> None:
    path.write_text("".join(json.dumps({"prompt": text}) + "\n" for text in texts))


def opened(folder: Path, **options: Any) -> Opened:
    settings = JobSettings(input=str(folder / "in.jsonl"), output=str(folder / "out.jsonl"), **options)
    return open_job(settings, lambda model: None)


def answered(folder: Path, *texts: str, **options: Any) -> None:
    """A finished session that answered all of these."""
    rows(folder / "in.jsonl", *texts)
    job = opened(folder, **options)
    assert job.journal is not None
    settings = JobSettings(input=str(folder / "in.jsonl"), output=str(folder / "out.jsonl"), **options)
    with job.journal as journal:
        write(journal, *(record(i.idx, i.custom_id, digest=i.digest) for i in job.items(settings)))  # type: ignore[union-attr]


def left(folder: Path, **options: Any) -> list[str]:
    """The ids that a resume would ask."""
    settings = JobSettings(input=str(folder / "in.jsonl"), output=str(folder / "out.jsonl"), **options)
    job = open_job(settings, lambda model: None)
    assert job.journal is not None
    with job.journal:
        return [item.custom_id for item in job.items(settings)]


def test_an_unchanged_input_has_nothing_left(tmp_path: Path) -> None:
    answered(tmp_path, "a", "b")
    assert left(tmp_path) == []


def test_rows_added_behind_are_asked_and_nothing_is_rebuilt(tmp_path: Path) -> None:
    answered(tmp_path, "a", "b")
    rows(tmp_path / "in.jsonl", "a", "b", "c")
    job = opened(tmp_path)
    assert job.journal is not None
    job.journal.close()
    assert job.reconciled is None
    assert left(tmp_path) == ["line-3"]


def test_a_changed_row_is_refused_and_the_journal_stays_usable(tmp_path: Path) -> None:
    answered(tmp_path, "a", "b")
    rows(tmp_path / "in.jsonl", "a", "changed", "c")
    with pytest.raises(JournalError, match="'line-2'"):
        opened(tmp_path)
    rows(tmp_path / "in.jsonl", "a", "b", "c")
    assert left(tmp_path) == ["line-3"]


def test_removed_rows_leave_and_the_rest_is_known(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text('{"custom_id": "x", "prompt": "a"}\n{"custom_id": "y", "prompt": "b"}\n')
    job = opened(tmp_path)
    settings = JobSettings(input=str(tmp_path / "in.jsonl"), output=str(tmp_path / "out.jsonl"))
    assert job.journal is not None
    with job.journal as journal:
        write(journal, *(record(i.idx, i.custom_id, digest=i.digest) for i in job.items(settings)))  # type: ignore[union-attr]
    (tmp_path / "in.jsonl").write_text('{"custom_id": "y", "prompt": "b"}\n{"custom_id": "z", "prompt": "c"}\n')
    assert left(tmp_path) == ["z"]


def test_more_samples_ask_only_the_new_ones(tmp_path: Path) -> None:
    answered(tmp_path, "a", "b")
    assert left(tmp_path, samples=2) == ["line-1#2", "line-2#2"]


def test_equal_rows_are_found_although_the_first_session_did_not_look(tmp_path: Path) -> None:
    rows(tmp_path / "in.jsonl", "same", "same")
    job = opened(tmp_path, dedup=False)
    assert job.journal is not None
    job.journal.close()
    again = opened(tmp_path)
    assert again.journal is not None
    again.journal.close()
    assert again.scan is not None
    assert len(again.scan.equals) == 1


def test_other_options_than_it_began_with_are_refused_by_name(tmp_path: Path) -> None:
    answered(tmp_path, "a")
    with pytest.raises(InputError, match="sampling options"):
        opened(tmp_path, params={"temperature": 1})
    assert left(tmp_path, params={"temperature": 1}, keep_answered=True) == []


def test_other_ids_than_it_began_with_are_refused_before_everything_is_asked_again(tmp_path: Path) -> None:
    answered(tmp_path, "a")
    (tmp_path / "in.jsonl").write_text('{"prompt": "a", "name": "x"}\n')
    with pytest.raises(InputError, match="no --id-column"):
        opened(tmp_path, id_column="name", keep_answered=True)
    assert left(tmp_path, id_column="name", fresh=True) == ["x"]


def test_a_fresh_start_keeps_every_old_journal(tmp_path: Path) -> None:
    answered(tmp_path, "a")
    assert left(tmp_path, fresh=True) == ["line-1"]
    assert left(tmp_path, fresh=True) == ["line-1"]
    assert sorted(path.name for path in tmp_path.glob("*.bak*")) == [
        "out.jsonl.penstock.bak",
        "out.jsonl.penstock.bak2",
    ]


def test_a_bad_input_leaves_the_old_journal_where_it_is(tmp_path: Path) -> None:
    answered(tmp_path, "a")
    (tmp_path / "in.jsonl").write_text("no json\n")
    with pytest.raises(InputError, match=r"in\.jsonl:1"):
        opened(tmp_path, fresh=True)
    assert not list(tmp_path.glob("*.bak*"))
