from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from penstock.batch.journal import Journal


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(tmp_path / "out.jsonl.penstock") as opened:
        opened.begin_session()
        yield opened
