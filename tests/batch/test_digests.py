from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest

from penstock.batch import digests
from penstock.batch.digests import Digests
from penstock.batch.items import Item, Shape, items
from penstock.batch.prescan import canonical, digest_of, prescan
from penstock.batch.sources import open_source


def numbered(count: int) -> Digests:
    made = Digests(None)
    for number in range(count):
        if number % 7 == 3:
            made.add()
        else:
            made.add(number.to_bytes(16, "big"))
    made.finish()
    return made


@pytest.mark.parametrize("block", [1, 5, 16_384])
def test_each_row_has_its_own(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digests, "_BLOCK_ROWS", block)
    monkeypatch.setattr(digests, "_BLOCK_BYTES", 16 * block)
    monkeypatch.setattr(digests, "_IN_MEMORY_BYTES", 100)
    made = numbered(40)
    found = [int.from_bytes(made.of(index)) for index in (*range(40), 3, 39, 0)]
    assert found == [0 if index % 7 == 3 else index for index in (*range(40), 3, 39, 0)]


def test_without_room_for_them_they_are_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_room(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tempfile, "SpooledTemporaryFile", no_room)
    path = tmp_path / "in.txt"
    path.write_text("a\nb\n")
    source = open_source(str(path))
    scan = prescan(source, find_equals=True)
    assert scan.digests is None
    made = items(source, Shape(), scan=scan, equals=scan.equals, wanted=None)
    assert [len(item.digest) for item in made if isinstance(item, Item)] == [16, 16]


def test_an_input_that_changed_meanwhile_is_not_taken_for_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "in.txt"
    path.write_text("a\n")
    source = open_source(str(path))
    scan = prescan(source, find_equals=True)
    path.write_text("changed\n")
    (made,) = items(source, Shape(), scan=scan, equals=scan.equals, wanted=None)
    assert isinstance(made, Item)
    assert made.digest == digest_of("chat", canonical(made.body))
